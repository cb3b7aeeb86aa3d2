from django.apps import AppConfig

from config import celery, checks

__all__ = ["ConfigConfig", "celery", "checks"]


class ConfigConfig(AppConfig):
    """Makes the Celery application, the deployment checks and our commands known to every process; has no models."""

    name = "config"
