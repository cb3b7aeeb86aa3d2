"""What the database refuses of verdicts, outcomes and permits by itself, tried as the application role."""

from datetime import timedelta

import pytest

from reviews.models import Client, Outcome, Permit, Redemption, Verdict
from reviews.services.settle import settle_due
from tests.factories import NOW, ana, ben, gate_of, later, omar, submit_one
from tests.reviewing import decide
from tests.reviews.refusals.refusing import copy_of, refused, saved

pytestmark = pytest.mark.django_db


# --- Verdicts --------------------------------------------------------------------------------------------------------


def test_two_verdicts_at_one_stage(verdict):
    with refused(by="one_verdict_at_a_stage"):
        saved(copy_of(verdict, reviewer_id=ben().pk, request_key="x"))


def test_two_verdicts_by_one_person_on_one_ticket(verdict):
    with refused(by="one_verdict_by_a_person_on_a_ticket"):
        saved(copy_of(verdict, stage=2, request_key="x"))


def test_two_verdicts_of_one_request(verdict):
    other = gate_of(submit_one())
    with refused(by="one_verdict_of_a_request"):
        saved(copy_of(verdict, ticket_id=other.pk))


def test_but_a_voided_verdict_makes_room(verdict):
    Verdict.objects.filter(pk=verdict.pk).update(voided_at=verdict.decided_at)
    saved(copy_of(verdict, request_key="x"))


def test_a_verdict_by_who_asked_for_the_action(decision):
    ana()
    gate = gate_of(submit_one(requested_by="ana@example.org"))
    sound = decide(gate, ben())
    with refused(by="the requester of a decision gives no verdict on it"):
        saved(copy_of(sound, reviewer_id=ana().pk, stage=2, request_key="x"))
    saved(copy_of(sound, reviewer_id=omar().pk, stage=2, request_key="x"))


def test_an_edit_that_does_not_say_whether_it_is_material_or_another_that_does(verdict):
    for changes in ({"kind": "edit", "material": None}, {"kind": "approve", "material": True}):
        with refused(by="an_edit_says_whether_it_is_material"):
            saved(copy_of(verdict, reviewer_id=ben().pk, stage=2, request_key="x", **changes))


# --- Outcomes --------------------------------------------------------------------------------------------------------


def test_a_second_outcome(outcome):
    with refused(by="reviews_outcome_pkey"):
        saved(copy_of(outcome, decision_id=outcome.decision_id))


@pytest.mark.parametrize(
    ("kind", "method", "with_verdict"),
    [
        ("approved", "system", False),
        ("approved", "system", True),
        ("approved", "human", False),
        ("approved", "auto", True),
        ("edited", "auto", False),
        ("overridden", "system", False),
        ("rejected", "auto", False),
        ("expired", "human", True),
        ("cancelled", "auto", False),
    ],
)
def test_an_approval_by_neither_policy_nor_person(verdict, kind, method, with_verdict):
    with refused(by="nothing_is_approved_but_by_policy_or_person"):
        Outcome.objects.create(
            decision_id=verdict.ticket.decision_id,
            kind=kind,
            method=method,
            action="refund_fee",
            payload_sha256="",
            verdict=verdict if with_verdict else None,
            settled_at=NOW,
        )


# --- Permits ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def permit(outcome) -> Permit:
    executor = Client.objects.create(name="Executor")
    return Permit.objects.create(
        outcome=outcome,
        audience=executor,
        must_redeem=False,
        key_id="k",
        issued_at=outcome.settled_at,
        expires_at=outcome.settled_at + timedelta(seconds=120),
    )


def redeemed(permit: Permit) -> Redemption:
    return Redemption.objects.create(
        decision_id=permit.outcome_id, permit=permit, redeemed_at=permit.issued_at + timedelta(seconds=1)
    )


def test_a_second_redemption_of_a_decision_by_the_same_permit_or_another(permit):
    another = saved(copy_of(permit))
    redemption = redeemed(permit)
    for permit_id in (permit.pk, another.pk):
        with refused(by="reviews_redemption_pkey"):
            saved(copy_of(redemption, decision_id=permit.outcome_id, permit_id=permit_id))


def test_a_redemption_of_another_decisions_permit_or_of_one_that_is_over(permit):
    another = submit_one()
    with refused(by="a redemption is of a permit of that decision, before it ends"):
        Redemption.objects.create(decision=another, permit=permit, redeemed_at=permit.issued_at)
    with refused(by="a redemption is of a permit of that decision, before it ends"):
        Redemption.objects.create(decision_id=permit.outcome_id, permit=permit, redeemed_at=permit.expires_at)


def test_a_permit_that_ends_before_it_starts(permit):
    with refused(by="a_permit_ends_after_its_start"):
        saved(copy_of(permit, expires_at=permit.issued_at))


def test_a_permit_after_the_redemption_and_one_for_what_may_not_run(permit):
    redeemed(permit)
    waiting = submit_one()
    with refused(by="a permit is for what may run and has not been redeemed"):
        saved(copy_of(permit))
    rejected = submit_one()
    decide(gate_of(rejected), ana(), "reject")
    settle_due(now=later(minutes=1))
    for decision in (rejected, waiting):
        with refused(by="a permit is for what may run and has not been redeemed"):
            saved(copy_of(permit, outcome_id=decision.pk))
