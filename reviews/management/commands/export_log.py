"""`manage.py export_log`: the sealed log as JSON Lines, for clients/python/verify_log.py and whoever writes another."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reviews.queries.seal import name_of_log
from reviews.queries.sealed_log import export_lines
from reviews.services.signing import KeyFileError, signing_keys


class Command(BaseCommand):
    """Writes the keys, then each leaf with its event, and each checkpoint behind the last leaf that it covers."""

    help = "Write the audit log with its leaves and checkpoints, to be verified elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=Path, help="the file (default: standard output)")

    def handle(self, *args: Any, to: Path | None, **options: Any) -> None:
        try:
            keys = [key.public for key in signing_keys(settings.LOG_KEY_FILE)]
        except KeyFileError as error:
            raise CommandError(str(error)) from None
        file = to.open("wb") if to else sys.stdout.buffer
        try:
            for line in export_lines(keys=keys, name=name_of_log()):
                file.write(line + b"\n")
        finally:
            if to:
                file.close()
