"""`manage.py purge`: sees to retention at once, all of it."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviews.services.purge import purge_due


class Command(BaseCommand):
    """Empties the content of what is past its workflow's retention, without waiting for the sweeper's daily round."""

    help = "Purge the content of decisions that are past their workflow's retention."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Purged: {purge_due(now=timezone.now())}")
