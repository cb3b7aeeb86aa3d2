"""`manage.py backup FILE`: the whole database in one file."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.dumps import DumpFailed, database_up, write_dump
from config.embedded import CannotStart


class Command(BaseCommand):
    """Writes a dump, readable by its owner only. The keys are not in it."""

    help = "Write the database to a file, while the console runs or not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            with database_up():
                write_dump(file)
        except (DumpFailed, CannotStart, OSError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Written: {file}, {file.stat().st_size:,} bytes.")
        outside = [settings.PERMIT_KEY_FILE, settings.LOG_KEY_FILE, settings.LOG_ANCHOR_FILE]
        self.stdout.write(f"Not in it, to be kept elsewhere: {', '.join(str(path) for path in outside if path)}.")
