"""`manage.py simulate_upstream`: an upstream system that keeps asking, through the REST API like any other."""

import json
import time
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.error import URLError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clients.python.countersign import Countersign, Refused
from feedback.management import demo

ANSWER = "I looked again: nothing in the case says otherwise. The customer wrote to us once, through the app."


class Command(BaseCommand):
    help = "Post demonstration decisions through the REST API, answer questions, and print the outcomes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", type=Path, default=settings.VAR_DIR / "demo.json", help="URL and keys")
        parser.add_argument("--rate", type=float, default=0.5, help="decisions a second (0.5)")
        parser.add_argument("--count", type=int, default=0, help="stop posting after so many new ones; 0: never")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            known = json.loads(options["demo"].read_text())
        except FileNotFoundError as error:
            raise CommandError(f"{options['demo']} is not there: start the console first (make run).") from error
        key = next(client["key"] for client in known["clients"] if client["role"] == "upstream")
        upstream = Upstream(Countersign(known["url"], key=key), say=self.say)
        left = options["count"] or None
        waiting = chain(demo.hand_made(), demo.bodies("support"))
        upstream.catch_up()
        while True:
            # What an earlier run posted is only answered again, and costs no pause.
            while left != 0 and (body := next(waiting, None)) is not None:
                if upstream.post(body):
                    left = None if left is None else left - 1
                    break
            upstream.listen()
            time.sleep(1 / options["rate"])

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Upstream:
    """Posts decisions, and acts on what the feed brings."""

    def __init__(self, countersign: Countersign, *, say: Any) -> None:
        self.countersign, self.say, self.cursor = countersign, say, ""

    def catch_up(self) -> None:
        """Go to the end of the feed: what was settled before is old news."""
        more = True
        while more:
            page = self.countersign.events(after=self.cursor, limit=1000)
            self.cursor, more = page["cursor"], page["more"]

    def post(self, body: bytes) -> bool:
        """Submit a decision; whether it is a new one. While the console is away it is tried again later."""
        try:
            return not self.countersign.submit(json.loads(body))["replayed"]
        except (Refused, URLError, TimeoutError) as error:
            self.say(f"not taken: {error}")
            return True

    def listen(self) -> None:
        """Print what was settled, answer what was asked."""
        try:
            page = self.countersign.events(after=self.cursor)
            for event in page["events"]:
                self.act_on(event)
            self.cursor = page["cursor"]
        except (Refused, URLError, TimeoutError) as error:
            self.say(f"no news: {error}")

    def act_on(self, event: dict[str, Any]) -> None:
        if event["kind"] == "outcome.settled":
            decision = self.countersign.decision(event["decision"])
            outcome = decision["outcome"]
            self.say(f"{decision['external_id']:<12} {outcome['action']} → {outcome['kind']} by {outcome['method']}")
        elif event["kind"] == "question.asked":
            decision = self.countersign.decision(event["decision"])
            if decision["status"] == "asked":
                self.countersign.answer(decision["id"], ANSWER)
                self.say(f"{decision['external_id']:<12} a reviewer asked; answered")
