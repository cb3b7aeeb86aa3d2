"""`manage.py restore FILE`: the database as `backup` wrote it. The console starts as RESTORED after it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.dumps import DumpFailed, InUse, database_up, read_dump
from config.embedded import CannotStart
from reviews.services.restored import note_restored_by_command
from reviews.services.signing import KeyFileError


class Command(BaseCommand):
    """Puts the file's content in the place of the database's, and makes the console RESTORED."""

    help = "Replace the database by what a backup holds. Nothing runs alone until the restore is acknowledged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="replace what is in the database without asking")

    def handle(self, *args: Any, file: Path, yes: bool, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        if not yes and input("Everything in the database is replaced. Type yes to go on: ") != "yes":
            raise CommandError("Nothing was changed.")
        try:
            with database_up():
                read_dump(file)
                restore = note_restored_by_command(now=timezone.now())
        except (DumpFailed, InUse, CannotStart, KeyFileError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Restored, with {restore.size:,} leaves in its log. The console is RESTORED: nothing runs alone until the"
            " newest checkpoint outside matches, or `manage.py acknowledge_restore` says what is lost."
        )
