"""What the database refuses by itself, each line of it tried as the application role, past every check of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, models, transaction

from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion, Threshold
from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import (
    Checkpoint,
    Client,
    Decision,
    Event,
    Execution,
    KeptNode,
    Leaf,
    Outcome,
    Permit,
    Redemption,
    Restore,
    ShadowAssessment,
    Ticket,
    Truth,
    Verdict,
    new_id,
)
from reviews.services.settle import settle_due
from tests.factories import NOW, ana, ben, gate_of, later, make_live_policy, make_workflow, omar, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@contextmanager
def refused(*, by: str) -> Iterator[None]:
    """The database says no, in the name of this constraint, trigger or grant; the transaction goes on."""
    with pytest.raises(DatabaseError) as refusal, transaction.atomic():
        yield
    assert by in str(refusal.value), refusal.value


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def copy_of(row: models.Model, **changes: Any) -> models.Model:
    """The same row again under a new id, unless the changes say otherwise; not saved."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    values.pop("xid", None)
    primary = row._meta.pk
    assert primary is not None
    values[primary.attname] = new_id() if isinstance(primary, models.UUIDField) else values[primary.attname]
    return type(row)(**{**values, **changes})


def saved(row: models.Model) -> models.Model:
    row.save(force_insert=True)
    return row


@pytest.fixture
def decision() -> Decision:
    make_live_policy()
    return submit_one(key="k-1")


@pytest.fixture
def gate(decision) -> Ticket:
    return gate_of(decision)


@pytest.fixture
def verdict(gate) -> Verdict:
    return decide(gate, ana())


@pytest.fixture
def outcome(verdict) -> Outcome:
    settle_due(now=later(minutes=1))
    return Outcome.objects.get()


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


# --- Policies --------------------------------------------------------------------------------------------------------


def test_two_live_versions_of_one_workflow():
    version = make_live_policy()
    with refused(by="one_live_version_of_a_workflow"):
        PolicyVersion.objects.create(
            workflow=version.workflow,
            number=99,
            status=VersionStatus.LIVE,
            document="{}",
            digest="sha256:0",
            created_at=NOW,
            published_at=NOW,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"document": "{}"},
        {"digest": "sha256:0"},
        {"number": 77},
        {"note": "Nothing to see here."},
        {"cause": "rollback"},
        {"published_at": later(days=-9)},
        {"created_at": later(days=-9)},
        {"status": VersionStatus.DRAFT},
        {"status": VersionStatus.SHADOW},
    ],
)
def test_a_published_version_that_changes_beyond_its_status(changes):
    version = make_live_policy()
    with refused(by="policy version"):
        PolicyVersion.objects.filter(pk=version.pk).update(**changes)


def test_a_published_version_that_goes_or_comes_back():
    version = make_live_policy()
    with refused(by="never deleted"):
        run("DELETE FROM policies_policyversion WHERE id = %s", version.pk)
    PolicyVersion.objects.filter(pk=version.pk).update(status=VersionStatus.RETIRED, retired_at=NOW)
    with refused(by="cannot become live"):
        PolicyVersion.objects.filter(pk=version.pk).update(status=VersionStatus.LIVE)


def test_rows_of_a_published_version_that_change():
    version = make_live_policy()
    row = version.thresholds.get()
    with refused(by="its rows are never changed"):
        Threshold.objects.filter(pk=row.pk).update(least_confidence=Decimal("0.1"))
    with refused(by="its rows are never changed"):
        row.delete()
    with refused(by="its rows are never changed"):
        saved(copy_of(row, id=None, model_name="another"))


# --- Rows that are written once ---------------------------------------------------------------------------------------

WRITTEN_ONCE = {
    Decision: "reasoning",
    Verdict: "note",
    Outcome: "action",
    Permit: "key_id",
    Redemption: "redeemed_at",
    Execution: "detail",
    Truth: "right_action",
    ShadowAssessment: "route",
    Event: "body",
    Leaf: "hash",
    KeptNode: "hash",
    Checkpoint: "note",
    Restore: "size",
}


@pytest.mark.parametrize("model", WRITTEN_ONCE, ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    "statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]
)
def test_update_delete_and_truncate_are_not_granted(model, statement):
    table, column = model._meta.db_table, WRITTEN_ONCE[model]
    with refused(by="permission denied"):
        run(statement.format(table=table, column=column))


@pytest.mark.parametrize("model", WRITTEN_ONCE, ids=lambda model: model.__name__)
def test_and_triggers_stand_behind_the_grants(model):
    """Against accidents of whoever has more rights than the application."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [model._meta.db_table],
        )
        triggers = dict(cursor.fetchall())
    assert triggers["never_changed"] == triggers["never_emptied"] == "O"


def test_a_verdict_is_voided_once_within_its_hold_and_changes_in_nothing_else(verdict):
    after = verdict.effective_at + timedelta(seconds=1)
    with refused(by="verdicts are never changed"):
        Verdict.objects.filter(pk=verdict.pk).update(voided_at=after)
    Verdict.objects.filter(pk=verdict.pk).update(voided_at=verdict.decided_at)
    for again in (None, verdict.effective_at):
        with refused(by="verdicts are never changed"):
            Verdict.objects.filter(pk=verdict.pk).update(voided_at=again)


def test_the_application_can_not_lift_the_guards(decision):
    for statement in (
        "ALTER TABLE reviews_decision DISABLE TRIGGER ALL",
        "DROP TRIGGER never_changed ON reviews_decision",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION guard_decision() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ):
        with pytest.raises(ProgrammingError), transaction.atomic():
            run(statement)
    run("GRANT UPDATE ON reviews_decision TO current_user")  # PostgreSQL only warns that there was nothing to grant.
    with refused(by="permission denied"):
        run("UPDATE reviews_decision SET reasoning = ''")


def test_the_purge_is_the_one_change_let_through_and_only_after_retention(outcome):
    workflow = make_workflow()
    decision_id = outcome.decision_id

    def purge() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT purge_decision(%s)", [decision_id])
            return bool(cursor.fetchone()[0])

    assert purge() is False  # kept for ever, unless the workflow says how long
    type(workflow).objects.filter(pk=workflow.pk).update(retention_days=10_000)
    assert purge() is False
    type(workflow).objects.filter(pk=workflow.pk).update(retention_days=30)
    assert purge() is True
    purged = Decision.everything.get(pk=decision_id)
    assert (purged.payload, purged.reasoning, purged.context, purged.requested_by) == (None, None, None, None)
    assert purged.payload_sha256 == outcome.payload_sha256
    assert Verdict.objects.get().payload is None
    assert Outcome.objects.get().payload is None
    assert purge() is False


def test_what_still_waits_is_not_purged(gate):
    type(gate.workflow).objects.update(retention_days=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT purge_decision(%s)", [gate.decision_id])
        assert cursor.fetchone() == (False,)


def test_integrity_errors_reach_the_code_as_such(decision):
    with pytest.raises(IntegrityError), transaction.atomic():
        saved(copy_of(decision, idempotency_key=None))
