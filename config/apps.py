from axes.apps import AppConfig as AxesConfig
from django.apps import AppConfig
from django_otp.plugins.otp_static.apps import DefaultConfig as StaticConfig
from django_otp.plugins.otp_totp.apps import DefaultConfig as TotpConfig

from config import celery, checks
from config.garbage import spare_what_stands

__all__ = ["Authenticators", "ConfigConfig", "LogIns", "RecoveryCodes", "celery", "checks"]


class ConfigConfig(AppConfig):
    """Makes the Celery application, the deployment checks and our commands known to every process; has no models."""

    name = "config"

    def ready(self) -> None:
        """After all models are loaded."""
        spare_what_stands()


# What the admin calls the libraries that people meet there.


class LogIns(AxesConfig):
    """Log-ins that failed, and lockouts."""

    verbose_name = "Log-ins"


class Authenticators(TotpConfig):
    """The second factor: codes from an app."""

    verbose_name = "Second factor: codes from an app"


class RecoveryCodes(StaticConfig):
    """The second factor: codes on paper."""

    verbose_name = "Second factor: recovery codes"
