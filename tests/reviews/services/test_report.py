"""What upstream and executors tell afterwards."""

import pytest

from reviews.models import Event, Execution, Permit, Truth, new_id
from reviews.services.report import NothingMayRun, TruthStands, UnknownDecision, report_execution, report_truth
from reviews.services.settle import settle_due
from tests.factories import NOW, ana, gate_of, later, make_client, make_live_policy, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved():
    make_live_policy()
    return submit_one(confidence=0.95)


def tell(decision, *, client=None, status="succeeded", detail=""):
    return report_execution(decision.pk, client=client or decision.client, status=status, detail=detail, now=NOW)


def test_what_came_of_it_is_kept_once_for_each_report(approved):
    assert tell(approved) == tell(approved)
    tell(approved, status="failed", detail="The account is closed.")
    assert list(Execution.objects.order_by("id").values_list("status", flat=True)) == ["succeeded", "failed"]
    events = Event.objects.filter(kind="execution.reported")
    assert events.count() == 2
    assert not any("closed" in event.body for event in events)


def test_the_executor_that_a_permit_names_may_report_and_no_other(approved):
    executor, _ = make_client("Executor")
    with pytest.raises(UnknownDecision):
        tell(approved, client=executor)
    Permit.objects.create(
        outcome=approved.outcome,
        audience=executor,
        must_redeem=False,
        key_id="k",
        issued_at=NOW,
        expires_at=later(minutes=2),
    )
    assert tell(approved, client=executor).client == executor


def test_nothing_came_of_what_may_not_run():
    make_live_policy()
    waiting, rejected = submit_one(), submit_one()
    decide(gate_of(rejected), ana(), "reject")
    settle_due(now=later(minutes=1))
    for decision in (waiting, rejected):
        with pytest.raises(NothingMayRun):
            tell(decision)


def test_the_truth_is_kept_once_for_each_client(approved):
    truth = report_truth(approved.pk, client=approved.client, right_action="close", detail="", now=NOW)
    assert (truth.independent, truth.right_action) == (False, "close")
    again = report_truth(approved.pk, client=approved.client, right_action="close", detail="", now=later(days=1))
    assert again == truth
    with pytest.raises(TruthStands):
        report_truth(approved.pk, client=approved.client, right_action="refund_fee", detail="", now=NOW)
    assert Event.objects.filter(kind="truth.reported").count() == 1


def test_an_independent_client_reports_in_its_workflows_by_id_or_by_name(approved):
    source, _ = make_client("Chargebacks", independent=True)
    which = (approved.client.name, approved.external_id)
    truth = report_truth(which, client=source, right_action="close", detail="", now=NOW)
    assert truth.independent
    assert report_truth(approved.pk, client=source, right_action="close", detail="", now=NOW) == truth
    assert Event.objects.get(kind="truth.reported").client == approved.client
    elsewhere, _ = make_client("Elsewhere", independent=True, workflows=[])
    with pytest.raises(UnknownDecision):
        report_truth(which, client=elsewhere, right_action="close", detail="", now=NOW)


def test_a_client_that_is_not_independent_reports_on_its_own_only(approved):
    other, _ = make_client("Another agent")
    with pytest.raises(UnknownDecision):
        report_truth(approved.pk, client=other, right_action="close", detail="", now=NOW)
    with pytest.raises(UnknownDecision):
        report_truth(new_id(), client=approved.client, right_action="close", detail="", now=NOW)
    assert not Truth.objects.exists()


def test_an_independent_client_that_proposed_is_not_independent_of_itself():
    make_live_policy()
    client, _ = make_client("Judge and party", independent=True)
    decision = submit_one(client=client, confidence=0.95)
    assert not report_truth(decision.pk, client=client, right_action="x", detail="", now=NOW).independent
