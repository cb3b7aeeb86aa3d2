"""`manage.py acknowledge_restore`: the log goes on after a restore, by an admin who knows what is missing."""

import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reviews.services.restored import LossNotAccepted, NotAnAdmin, NotRestored, StillBroken, acknowledge_restore
from reviews.services.signing import KeyFileError
from reviews.services.tree import TreeBroken


class Command(BaseCommand):
    """Compares the newest checkpoint outside with the database's log, and ends RESTORED."""

    help = "End RESTORED: the newest checkpoint outside matches this database, or what it lacks is known and accepted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="the admin who acknowledges; it stands in the log")
        parser.add_argument(
            "--checkpoint",
            help="a file with the newest checkpoint (- for standard input); else that of LOG_ANCHOR_FILE",
        )
        parser.add_argument(
            "--accept-loss", action="store_true", help="what the checkpoint covers and this database lacks is lost"
        )

    def handle(self, *args: Any, user: str, checkpoint: str | None, accept_loss: bool, **options: Any) -> None:
        admin = User.objects.filter(username=user).first()
        if admin is None:
            raise CommandError(f"There is no user called {user}.")
        try:
            note = _read(checkpoint) if checkpoint else None
            restore = acknowledge_restore(user=admin, note=note, accept_loss=accept_loss, now=timezone.now())
        except LossNotAccepted as refusal:
            raise CommandError(
                f"{refusal} Look for a newer backup first. If there is none, the loss is accepted by --accept-loss."
            ) from None
        except (NotRestored, StillBroken, NotAnAdmin, TreeBroken, KeyFileError, OSError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Acknowledged. The log goes on in epoch {restore.epoch}; automatic approvals are on again.")


def _read(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text()
