"""`manage.py rotate_permit_key`: sign permits with a new key; the old one is published until its permits are over."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from reviews.services.signing import KeyFileError, create_key_file, rotate_key_file

# Of the keys before. Only those of the last minutes are published; the file tells the story of a few more.
KEPT = 10


class Command(BaseCommand):
    help = "Sign permits with a new key from now on, or make the first one. Every web process takes it up at once."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        path, now = settings.PERMIT_KEY_FILE, timezone.now()
        try:
            key = rotate_key_file(path, now=now, keep=KEPT) if path.exists() else create_key_file(path, now=now)
        except KeyFileError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Permits are signed with {key.kid} ({path}).")
