"""What the database refuses of decisions and tickets by itself, tried as the application role."""

from decimal import Decimal

import pytest
from django.db import connection

from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import Client, Ticket
from tests.factories import NOW, ana
from tests.reviews.refusals.refusing import copy_of, refused, saved

pytestmark = pytest.mark.django_db


def test_these_tests_run_as_the_application_role():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, pg_has_role(current_user, tableowner, 'MEMBER')"
            " FROM pg_roles, pg_tables WHERE rolname = current_user AND tablename = 'reviews_decision'"
        )
        assert cursor.fetchone() == (False, False)


# --- The same request, once ------------------------------------------------------------------------------------------


def test_two_decisions_of_one_external_id(decision):
    with refused(by="one_decision_of_an_external_id"):
        saved(copy_of(decision, idempotency_key=None))


def test_two_decisions_of_one_idempotency_key(decision):
    with refused(by="one_decision_of_an_idempotency_key"):
        saved(copy_of(decision, external_id="another"))


def test_but_another_client_may_use_both(decision):
    saved(copy_of(decision, client_id=Client.objects.create(name="Another").pk))


# --- Confidence and route --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", ["-0.0000001", "1.0000001", "NaN", "Infinity", "-Infinity"])
def test_a_confidence_outside_0_and_1(decision, confidence):
    with refused(by="a_confidence_is_between_0_and_1"):
        saved(copy_of(decision, external_id="x", idempotency_key=None, confidence=Decimal(confidence)))


def test_but_forty_digits_are_kept_as_they_are(decision):
    exact = Decimal("0.9999999" + "9" * 33)
    kept = saved(copy_of(decision, external_id="x", idempotency_key=None, confidence=exact))
    kept.refresh_from_db()
    assert kept.confidence == exact


@pytest.mark.parametrize(
    "changes",
    [
        {"policy_version_id": None},
        {"threshold": None},
        {"threshold": Decimal(0)},
        {"threshold": Decimal("-0.5")},
        {"confidence": None},
        {"confidence": Decimal("0.8499999")},
    ],
)
def test_an_automatic_route_without_policy_threshold_or_confidence_enough(decision, changes):
    sound = {"route": "auto", "threshold": Decimal("0.85"), "confidence": Decimal("0.85")}
    saved(copy_of(decision, external_id="sound", idempotency_key=None, **sound))
    with refused(by="auto_only_at_or_above_a_threshold"):
        saved(copy_of(decision, external_id="x", idempotency_key=None, **{**sound, **changes}))


def test_a_route_that_nobody_knows(decision):
    with refused(by="a_route_is_known"):
        saved(copy_of(decision, external_id="x", idempotency_key=None, route="maybe"))


# --- Tickets and claims ----------------------------------------------------------------------------------------------


def test_two_gates_for_one_decision(gate):
    with refused(by="one_gate"):
        saved(copy_of(gate))


def test_two_audits_of_one_decision(gate):
    saved(copy_of(gate, kind=TicketKind.AUDIT))
    with refused(by="one_audit"):
        saved(copy_of(gate, kind=TicketKind.AUDIT))


@pytest.mark.parametrize(
    "changes",
    [
        {"claimed_by": None, "claimed_at": NOW, "claimed_until": NOW},
        {"claimed_by": "ana", "claimed_at": None, "claimed_until": NOW},
        {"claimed_by": "ana", "claimed_at": NOW, "claimed_until": None},
    ],
)
def test_a_claim_without_holder_or_lease(gate, changes):
    if changes["claimed_by"]:
        changes = {**changes, "claimed_by": ana()}
    with refused(by="a_claim_has_holder_and_lease"):
        Ticket.objects.filter(pk=gate.pk).update(state=TicketState.CLAIMED, **changes)


@pytest.mark.parametrize("column", ["claimed_by", "claimed_at", "claimed_until"])
def test_a_holder_or_lease_without_a_claim(gate, column):
    with refused(by="a_claim_has_holder_and_lease"):
        Ticket.objects.filter(pk=gate.pk).update(**{column: ana() if column == "claimed_by" else NOW})


def test_a_decided_ticket_without_a_hold_or_a_final_one_without_its_time(gate):
    with refused(by="a_decided_ticket_has_a_hold"):
        Ticket.objects.filter(pk=gate.pk).update(state=TicketState.DECIDED)
    with refused(by="a_final_ticket_has_its_time"):
        Ticket.objects.filter(pk=gate.pk).update(state=TicketState.SETTLED)
    with refused(by="a_final_ticket_has_its_time"):
        Ticket.objects.filter(pk=gate.pk).update(settled_at=NOW)


@pytest.mark.parametrize("state", [TicketState.WITHDRAWN, TicketState.EXPIRED])
def test_anything_but_a_gate_that_is_withdrawn_or_expires(gate, state):
    audit = saved(copy_of(gate, kind=TicketKind.AUDIT))
    with refused(by="only_a_gate_is_withdrawn_or_expires"):
        Ticket.objects.filter(pk=audit.pk).update(state=state, settled_at=NOW)


def test_a_state_that_nobody_knows(gate):
    with refused(by="a_ticket_state_is_known"):
        Ticket.objects.filter(pk=gate.pk).update(state="done")
