"""One verdict: so many reviewers at every ticket at the same moment, and the history of each ticket is checked."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.utils import timezone

from reviews.models import Verdict
from tests.factories import PASSWORD, gate_of, submit_one
from tests.faults.counts import Counts, Shown
from tests.faults.linearizable import Operation, is_linearizable
from tests.faults.stage import Stage
from tests.faults.world import reviewers, unique, upstream
from tests.journeys.people import Reviewer

REVIEWERS = 32
FREE = ("free", "")


def run(stage: Stage, counts: Counts) -> Shown:
    """Everybody claims a ticket, and then everybody answers it, whether they hold it or not."""
    tickets = counts.of(200, least=6)
    shown = Shown(
        promise="one verdict", did=f"{REVIEWERS} reviewers × {tickets} tickets, all claim and all answer at once"
    )
    agent = upstream(unique("verdicts"))
    gates = [str(gate_of(submit_one(client=agent.client, now=timezone.now())).pk) for _ in range(tickets)]
    users = reviewers(REVIEWERS)
    stage.demo = {"users": [{"username": user.username, "password": PASSWORD} for user in users]}
    people = [(user.get_full_name() or user.username, Reviewer(stage, user.username)) for user in users]
    histories: dict[str, list[Operation]] = {gate: [] for gate in gates}
    shown_to: dict[str, dict[str, Any]] = {}
    together = threading.Barrier(REVIEWERS)
    answers: Counter[int] = Counter()

    def work(number: int) -> None:
        name, person = people[number]
        for gate in gates:
            together.wait(120)
            called = time.monotonic()
            status, body = person.call("POST", f"/tickets/{gate}/claim", {})
            if status == 200:
                shown_to[gate] = body
            histories[gate].append(operation(name, "claim", called, status, body))
            # Whoever did not get it answers all the same, knowing everything that the holder knows.
            together.wait(120)
            called = time.monotonic()
            status, body = person.answer(shown_to[gate], "approve")
            histories[gate].append(operation(name, "verdict", called, status, body))
            answers[status] += 1

    with ThreadPoolExecutor(REVIEWERS) as threads:
        list(threads.map(work, range(REVIEWERS)))
    verdicts = Verdict.objects.filter(ticket__in=gates).count()
    crooked = [gate for gate in gates if not is_linearizable(histories[gate], start=FREE, register=ticket)]
    operations = sum(map(len, histories.values()))
    shown.figures = {
        "answers to a verdict": dict(sorted(answers.items())),
        "verdicts": verdicts,
        "operations checked": operations,
        "histories that are not linearizable": len(crooked),
    }
    expected = {200: tickets, 409: tickets * (REVIEWERS - 1)}
    shown.expect(holds=dict(answers) == expected, otherwise=f"answers {dict(answers)}, not {expected}")
    shown.expect(holds=verdicts == tickets, otherwise=f"{verdicts} verdicts")
    shown.expect(holds=not crooked, otherwise=f"not linearizable: {[histories[gate] for gate in crooked[:1]]}")
    return shown


def operation(name: str, what: str, called: float, status: int, body: dict[str, Any]) -> Operation:
    """What one of them was told: that it was done, or who holds the ticket or has answered it."""
    kind = body.get("type", "").rpartition(":")[2]
    answer = "done" if status == 200 else (kind, body.get("by"))
    return Operation(who=name, what=what, called=called, answered=time.monotonic(), answer=answer)


def ticket(state: tuple[str, str], operation: Operation) -> tuple[tuple[str, str], Any]:
    """A ticket as a register that is compared and set: from free to claimed by one, from there to decided by them."""
    what, by = state
    if what == "decided":
        return state, ("already_decided", by)
    if operation.what == "claim" and (what == "free" or by == operation.who):
        return ("claimed", operation.who), "done"
    if operation.what == "verdict" and what == "claimed" and by == operation.who:
        return ("decided", by), "done"
    return state, ("held", by)
