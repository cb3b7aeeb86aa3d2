"""Rows that are written once: what the database lets through of a change to them, which is the purge alone."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from reviews.models import (
    Checkpoint,
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
    Truth,
    Verdict,
)
from tests.factories import make_workflow
from tests.reviews.refusals.refusing import copy_of, refused, run, saved

pytestmark = pytest.mark.django_db


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
