"""A stop and a budget under load: 32 clients submit what would run alone, in threads of their own on the real database.

RACE_SUBMISSIONS says how many submissions there are; 600 keeps the suite quick.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event as Signal

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from policies import services as policies
from policies.models import PolicyChange
from reviews.models import BudgetUse, Client, Decision, Outcome
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 32
SUBMISSIONS = int(os.environ.get("RACE_SUBMISSIONS", "600"))


@pytest.fixture
def clients() -> list[Client]:
    return [make.make_client(f"agent-{number}")[0] for number in range(CLIENTS)]


def submit_all(clients: list[Client], *, after_a_third: Signal | None = None) -> None:
    """SUBMISSIONS in all, by every client in turns of its own; the signal is given when a third are in."""
    done = count(1)

    def submit(client: Client) -> None:
        try:
            for _ in range(SUBMISSIONS // CLIENTS):
                make.submit_one(client=client, now=timezone.now(), confidence=0.95)
                if next(done) == SUBMISSIONS // 3 and after_a_third:
                    after_a_third.set()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(submit, clients))


@pytest.mark.parametrize("whole", [False, True], ids=["of the workflow", "of everything"])
def test_no_automatic_approval_commits_after_a_stop(clients, whole):
    version = make.make_live_policy(now=timezone.now())
    workflow = None if whole else version.workflow
    omar, go, stopped = make.omar(), Signal(), {}

    def stop() -> None:
        go.wait()
        with transaction.atomic():
            change = policies.pause(workflow, actor=omar, reason="Complaints.", now=timezone.now())
            # Counted before the stop commits: whatever more there is at the end has committed after this moment.
            stopped.update(change=change.pk, automatic=Outcome.objects.count())
        connection.close()

    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(stop)
        submit_all(clients, after_a_third=go)
        stopping.result()

    routes = Counter(Decision.objects.values_list("route", flat=True))
    assert routes.total() == SUBMISSIONS // CLIENTS * CLIENTS
    assert routes["auto"] == Outcome.objects.count() == stopped["automatic"]
    assert routes["auto"] > 0
    assert routes["review"] > SUBMISSIONS // 4
    codes = {reason["code"] for found in Decision.objects.filter(route="review") for reason in found.reasons}
    assert codes == {"paused"}
    assert PolicyChange.objects.get(kind="paused").pk == stopped["change"]


def test_a_budget_of_a_hundred_lets_exactly_a_hundred_run_alone(clients):
    make.make_live_policy(now=timezone.now(), daily_count=100)
    submit_all(clients)
    routes = Counter(Decision.objects.values_list("route", flat=True))
    assert routes == {"auto": 100, "review": SUBMISSIONS // CLIENTS * CLIENTS - 100}
    assert Outcome.objects.count() == BudgetUse.objects.get().count == 100
    codes = {reason["code"] for found in Decision.objects.filter(route="review") for reason in found.reasons}
    assert codes == {"budget_spent"}
