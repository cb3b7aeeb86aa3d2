"""The Celery application. Tasks are bells rung for rows that are already committed; see reviews/services/ring.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["policies", "reviews", "feedback"])
# Web threads would otherwise find Celery's own default application, without a broker.
app.set_default()
