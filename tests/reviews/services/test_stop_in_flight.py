"""A stop and a budget under load: 32 clients in four processes submit 2,000 decisions that would run alone."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from policies import services as policies
from policies.models import PolicyChange
from reviews.models import BudgetUse, Decision, Outcome
from tests import factories as make
from tests.submitters import ENDS_WITHIN_SECONDS, submit_in_processes

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS, PROCESSES = 32, 4
SUBMISSIONS = 2_000


@pytest.fixture
def clients() -> list[int]:
    return [make.make_client(f"agent-{number}")[0].pk for number in range(CLIENTS)]


def submit_all(clients: list[int]) -> None:
    """SUBMISSIONS in all, by every client in turns of its own."""
    each, more = divmod(SUBMISSIONS, CLIENTS)
    numbers = {client: each + (place < more) for place, client in enumerate(clients)}
    submit_in_processes(numbers, processes=PROCESSES)


@pytest.mark.parametrize("whole", [False, True], ids=["of the workflow", "of everything"])
def test_no_automatic_approval_commits_after_a_stop(clients, whole):
    version = make.make_live_policy(now=timezone.now())
    workflow = None if whole else version.workflow
    omar, stopped = make.omar(), {}

    def stop() -> None:
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while Decision.objects.count() < SUBMISSIONS // 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        with transaction.atomic():
            change = policies.pause(workflow, actor=omar, reason="Complaints.", now=timezone.now())
            # Counted before the stop commits: whatever more there is at the end has committed after this moment.
            stopped.update(change=change.pk, automatic=Outcome.objects.count())
        connection.close()

    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(stop)
        submit_all(clients)
        stopping.result()

    routes = Counter(Decision.objects.values_list("route", flat=True))
    assert routes.total() == SUBMISSIONS
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
    assert routes == {"auto": 100, "review": SUBMISSIONS - 100}
    assert Outcome.objects.count() == BudgetUse.objects.get().count == 100
    codes = {reason["code"] for found in Decision.objects.filter(route="review") for reason in found.reasons}
    assert codes == {"budget_spent"}
