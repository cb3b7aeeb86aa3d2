"""`manage.py rotate_log_key`: the audit log's first key, or a new one in its place."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from reviews.domain.checkpoint import verifier_key
from reviews.queries.seal import name_of_log
from reviews.services.seal import rotate_log_key
from reviews.services.signing import KeyFileError, signing_keys
from reviews.services.tree import TreeBroken


class Command(BaseCommand):
    """Makes the file of the key (mode 0600), or puts a new key into it; the old one signs the change and no more."""

    help = "Make the key that signs the audit log's checkpoints, or replace it. Prints the public key, for auditors."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            linking = rotate_log_key(now=timezone.now())
            key = signing_keys(settings.LOG_KEY_FILE)[0]
        except (KeyFileError, TreeBroken) as error:
            raise CommandError(str(error)) from None
        if linking is not None:
            self.stdout.write(f"The checkpoint of {linking.size:,} leaves is signed by the old key and by the new one.")
        self.stdout.write(verifier_key(name_of_log(), key.public))
