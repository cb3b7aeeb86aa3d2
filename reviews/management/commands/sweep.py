"""`manage.py sweep`: the sweeper, a round each second, until it is told to stop."""

import signal
import threading
import time
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection
from django.utils import timezone

from reviews.services.sweep import only_sweeper, sweep_once

logger = structlog.get_logger(__name__)
LONGEST_PAUSE = 10.0


class Command(BaseCommand):
    """Settles, expires, escalates and rings again what time brings about. A second one stands by."""

    help = "Settle, expire, escalate, and ring again for what was lost: a round each second."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=1.0, help="Seconds from one round to the next.")
        parser.add_argument("--once", action="store_true", help="One round, and what it did.")

    def handle(self, *args: Any, every: float, once: bool, **options: Any) -> None:
        if once:
            with only_sweeper() as is_ours:
                self.stdout.write(str(sweep_once(now=timezone.now())) if is_ours else "Another sweeper is at work.")
            return
        stopped = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        pause = every
        while not stopped.is_set():
            started = time.monotonic()
            # The database may be away for a while, a round may fail: neither ends the sweeper.
            pause = every if self.round() else min(pause * 2, LONGEST_PAUSE)
            stopped.wait(max(0.0, pause - (time.monotonic() - started)))

    def round(self) -> bool:
        """One round, if it is this sweeper's turn; False when the database could not be asked."""
        try:
            with only_sweeper() as is_ours:
                if is_ours:
                    sweep_once(now=timezone.now())
        except Error as error:
            logger.warning("no round", error=str(error))
            connection.close()
            return False
        return True
