"""`manage.py simulate_upstream`: an upstream system and its executor, through the REST API like any others."""

import json
import time
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.error import URLError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clients.python.countersign import MAY_RUN, Countersign, Refused
from clients.python.verify_permit import NotPermitted, verify_permit
from feedback.management import demo

ANSWER = "I looked again: nothing in the case says otherwise. The customer wrote to us once, through the app."


class Command(BaseCommand):
    help = "Post demonstration decisions, answer questions, act on the outcomes by permit, and print the e-mails."
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
        first = {client["role"]: client for client in reversed(known["clients"])}
        executor = Executor(
            Countersign(known["url"], key=first["executor"]["key"]), name=first["executor"]["name"], url=known["url"]
        )
        upstream = Upstream(Countersign(known["url"], key=first["upstream"]["key"]), executor=executor, say=self.say)
        left = options["count"] or None
        waiting = chain(demo.hand_made(), demo.bodies("support"))
        mailbox = demo.Mailbox(Path(settings.EMAIL_FILE_PATH)) if settings.EMAIL_FILE_PATH else None
        upstream.catch_up()
        while True:
            # What an earlier run posted is only answered again, and costs no pause.
            while left != 0 and (body := next(waiting, None)) is not None:
                if upstream.post(body):
                    left = None if left is None else left - 1
                    break
            upstream.listen()
            for line in mailbox.news() if mailbox else ():
                self.say(line)
            time.sleep(1 / options["rate"])

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Upstream:
    """Posts decisions, and acts on what the feed brings."""

    def __init__(self, countersign: Countersign, *, executor: "Executor", say: Any) -> None:
        self.countersign, self.executor, self.say, self.cursor = countersign, executor, say, ""

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
        """Print what was settled and have it executed, answer what was asked."""
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
            if outcome["kind"] in MAY_RUN:
                self.hand_over(decision)
        elif event["kind"] == "question.asked":
            decision = self.countersign.decision(event["decision"])
            if decision["status"] == "asked":
                self.countersign.answer(decision["id"], ANSWER)
                self.say(f"{decision['external_id']:<12} a reviewer asked; answered")

    def hand_over(self, decision: dict[str, Any]) -> None:
        """Fetch the permit for the executor, which acts by it or not at all."""
        try:
            permit = self.countersign.permit(decision["id"], audience=self.executor.name)["permit"]
            self.executor.act(permit, decision["outcome"]["action"], decision["outcome"]["payload"])
        except (Refused, NotPermitted) as error:
            self.say(f"{decision['external_id']:<12} not run: {error}")


class Executor:
    """Runs what a permit lets run: nothing, in the demonstration, but it checks, redeems and reports like any other."""

    def __init__(self, countersign: Countersign, *, name: str, url: str) -> None:
        self.countersign, self.name, self.url = countersign, name, url
        self.done: set[str] = set()

    def act(self, permit: str, action: str, payload: Any) -> None:
        """Raises NotPermitted and Refused, and then nothing ran."""
        keys = self.countersign.permit_keys()
        claims = verify_permit(permit, jwks=keys, issuer=self.url, audience=self.name, action=action, payload=payload)
        if claims["sub"] in self.done:
            return
        if claims["redeem"]:
            self.countersign.redeem(claims["jti"], claims["act_sha256"])
        self.done.add(claims["sub"])
        self.countersign.tell_execution(claims["sub"], succeeded=True)
