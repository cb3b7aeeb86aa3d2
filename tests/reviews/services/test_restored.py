"""RESTORED: a database that was put back runs nothing alone until somebody knows what is missing."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client as Browser

from clients.python.verify_log import notes_of, verify
from policies.domain.vocabulary import ReasonCode
from reviews.domain.vocabulary import EventKind, RestoreCause
from reviews.models import Checkpoint, Event, Heartbeat, Leaf, Outcome, Restore
from reviews.queries.seal import open_restore
from reviews.queries.sealed_log import export_lines
from reviews.services.record import record
from reviews.services.restored import (
    LossNotAccepted,
    NotAnAdmin,
    NotRestored,
    acknowledge_restore,
    note_restored_by_command,
)
from reviews.services.seal import seal_events
from reviews.services.signing import create_key_file, signing_keys
from tests.conftest import _as_owner
from tests.factories import NOW, ada, ana, later, make_live_policy, submit_one

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("log")]


def happen(number=1):
    for each in range(number):
        record(EventKind.EXPORTED, now=NOW, body={"number": each})
    return seal_events(now=NOW)


def put_back(size):
    """What a restore leaves: the log as it was at `size` leaves."""
    with _as_owner() as owner:
        for table in ("reviews_event", "reviews_leaf", "reviews_checkpoint"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute(
            "DELETE FROM reviews_event e USING reviews_leaf l WHERE l.event_id = e.id AND l.index >= %s", [size]
        )
        owner.execute("DELETE FROM reviews_leaf WHERE index >= %s", [size])
        owner.execute("DELETE FROM reviews_checkpoint WHERE size > %s", [size])
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("reviews_event", "reviews_leaf", "reviews_checkpoint"):
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def verified(log):
    lines = export_lines(keys=[key.public for key in signing_keys(log.LOG_KEY_FILE)], name="log.example")
    return verify(lines, outside=notes_of(log.LOG_ANCHOR_FILE))


def test_a_first_start_is_not_one():
    seal_events(now=NOW)
    assert open_restore() is None
    happen()
    assert seal_events(now=NOW) == 0
    assert open_restore() is None


def test_a_log_that_is_behind_the_checkpoint_outside_is_seen_and_not_sealed():
    happen(3)
    happen(2)
    put_back(3)
    assert happen() == 0
    restore = open_restore()
    assert (restore.cause, restore.size, restore.epoch) == (RestoreCause.BEHIND, 3, 2)
    assert Leaf.objects.count() == 3
    assert [each.epoch for each in Event.objects.order_by("-id")[:2]] == [2, 1]
    happen()
    assert Event.objects.latest("id").epoch == 2


def test_an_emptied_database_is_seen():
    happen(3)
    put_back(0)
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.BEHIND


def test_a_log_that_was_rewritten_is_seen(log):
    happen(3)
    kept = log.LOG_ANCHOR_FILE.read_text()
    put_back(0)
    log.LOG_ANCHOR_FILE.unlink()
    happen(4)
    log.LOG_ANCHOR_FILE.write_text(kept)
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.DIFFERS


def test_a_checkpoint_that_no_key_of_ours_signed_is_not_believed(log, tmp_path):
    happen(3)
    log.LOG_KEY_FILE = tmp_path / "others.json"
    create_key_file(log.LOG_KEY_FILE, now=NOW)
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.UNREADABLE


def test_another_database_that_nothing_outside_vouches_for_is_seen(log):
    happen(3)
    log.LOG_ANCHOR_FILE.unlink()
    seal_events(now=NOW)
    assert open_restore() is None
    log.LOG_ANCHOR_FILE.unlink()
    Heartbeat.objects.filter(pk="sealer").update(detail={"instance": "elsewhere", "size": 3})
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.ANOTHER


def test_another_database_with_all_of_the_log_goes_on_in_a_new_epoch(log):
    happen(3)
    Heartbeat.objects.filter(pk="sealer").update(detail={"instance": "elsewhere", "size": 3})
    seal_events(now=NOW)
    assert open_restore() is None
    seal_events(now=NOW)
    event = Event.objects.latest("id")
    assert (event.kind, event.epoch) == (EventKind.LOG_RESTORED, 2)
    assert json.loads(event.body)["nothing_missing"] is True
    whole, lost = verified(log)
    assert (whole.tree.size, lost) == (4, 0)


def test_while_restored_nothing_runs_alone_and_the_reason_says_why():
    make_live_policy()
    assert submit_one(confidence=0.95).route == "auto"
    seal_events(now=NOW)
    happen(2)
    put_back(1)
    seal_events(now=NOW)
    decisions = [submit_one(confidence=0.95, external_id=f"after-{each}") for each in range(5)]
    assert {each.route for each in decisions} == {"review"}
    assert not Outcome.objects.filter(decision__in=decisions).exists()
    (reason,) = decisions[0].reasons
    assert reason["code"] == ReasonCode.PAUSED
    assert "restored from a backup" in reason["message"]
    acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    assert submit_one(confidence=0.95, external_id="then").route == "auto"


def test_every_page_says_so(log):
    happen(3)
    put_back(1)
    browser = Browser()
    browser.force_login(ana())
    assert b"RESTORED" not in browser.get("/").content
    seal_events(now=NOW)
    assert b"RESTORED" in browser.get("/").content


def test_a_backup_that_has_everything_needs_nobody(log):
    happen(3)
    note_restored_by_command(now=NOW)
    assert seal_events(now=NOW) == 0
    assert open_restore() is None
    seal_events(now=NOW)
    assert json.loads(Event.objects.get(kind=EventKind.LOG_RESTORED).body)["nothing_missing"] is True
    verified(log)


def test_a_checkpoint_that_somebody_kept_is_compared_too(log):
    happen(3)
    kept = Checkpoint.objects.latest("id").note
    happen(2)
    put_back(3)
    log.LOG_ANCHOR_FILE.unlink()
    note_restored_by_command(now=NOW)
    with pytest.raises(LossNotAccepted, match="no checkpoint outside"):
        acknowledge_restore(user=ada(), note=None, accept_loss=False, now=NOW)
    with pytest.raises(LossNotAccepted, match="not signed by a key"):
        acknowledge_restore(user=ada(), note=kept.replace("3", "4", 1), accept_loss=False, now=NOW)
    acknowledge_restore(user=ada(), note=kept, accept_loss=False, now=NOW)
    assert open_restore() is None


def test_a_loss_is_accepted_by_an_admin_in_the_log_and_the_log_verifies(log):
    happen(3)
    happen(4)
    happen(5)
    put_back(3)
    seal_events(now=NOW)
    with pytest.raises(NotAnAdmin):
        acknowledge_restore(user=ana(), note=None, accept_loss=True, now=NOW)
    with pytest.raises(LossNotAccepted, match="what came after is missing here"):
        acknowledge_restore(user=ada(), note=None, accept_loss=False, now=NOW)
    acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    with pytest.raises(NotRestored):
        acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    happen(2)
    body = json.loads(Event.objects.get(kind=EventKind.LOG_RESTORED).body)
    assert (body["size"], body["outside"]["size"], body["nothing_missing"]) == (3, 12, False)
    whole, lost = verified(log)
    assert (whole.tree.size, lost) == (7, 2)  # With the alarm, and the acknowledgement.
    assert open_restore() is None


def test_what_was_written_before_the_restore_was_seen_is_sealed_after_it(log):
    happen(3)
    happen(2)
    put_back(3)
    record(EventKind.EXPORTED, now=NOW, body={"written": "before the sealer looked"})
    before = Event.objects.latest("id")
    seal_events(now=NOW)
    record(EventKind.EXPORTED, now=NOW, body={"written": "while restored"})
    acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    seal_events(now=NOW)
    assert Leaf.objects.get(index=3).event_id == before.pk
    assert Leaf.objects.count() == Event.objects.count() == 7
    verified(log)


def test_a_second_restore_is_seen_as_well(log):
    happen(3)
    happen(2)
    put_back(3)
    seal_events(now=NOW)
    acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    happen(2)
    put_back(3)
    with _as_owner() as owner:
        owner.execute("ALTER TABLE reviews_checkpoint DISABLE TRIGGER USER")
        owner.execute("DELETE FROM reviews_checkpoint WHERE epoch = 2")
        owner.execute("ALTER TABLE reviews_checkpoint ENABLE TRIGGER USER")
    seal_events(now=NOW)
    assert (open_restore().cause, open_restore().epoch) == (RestoreCause.BEHIND, 3)


def test_a_restore_is_never_forgotten():
    restore = Restore.objects.create(epoch=2, cause=RestoreCause.COMMAND, size=0, noticed_at=NOW)
    with pytest.raises(IntegrityError, match="one_restore_at_a_time"), transaction.atomic():
        Restore.objects.create(epoch=3, cause=RestoreCause.COMMAND, size=0, noticed_at=NOW)
    for statement in ("DELETE FROM reviews_restore", "UPDATE reviews_restore SET size = 1", "TRUNCATE reviews_restore"):
        with pytest.raises(Exception, match="denied"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    restore.acknowledged_at = NOW
    restore.save(update_fields=["acknowledged_at"])
    restore.acknowledged_at = later(minutes=1)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        restore.save(update_fields=["acknowledged_at"])


def _end_other_sessions() -> None:
    """Threads of earlier tests may still hold one; each role ends its own."""
    for alias in ("default", "owner"):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND usename = current_user AND pid <> pg_backend_pid()"
            )


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_backup_older_than_the_log_comes_back_as_restored(log, tmp_path, capsys):
    make_live_policy()
    ada()
    submit_one(confidence=0.95, external_id="before")
    seal_events(now=NOW)
    dump = tmp_path / "backup.dump"
    call_command("backup", str(dump))
    assert dump.stat().st_mode & 0o777 == 0o600
    submit_one(confidence=0.95, external_id="lost")
    seal_events(now=later(minutes=10))
    lost = Leaf.objects.count()

    with pytest.raises(CommandError, match="other sessions use the database"):
        call_command("restore", str(dump), "--yes")
    _end_other_sessions()
    connections.close_all()
    call_command("restore", str(dump), "--yes")
    assert "The console is RESTORED" in capsys.readouterr().out
    assert Leaf.objects.count() < lost
    assert open_restore().cause == RestoreCause.COMMAND

    assert seal_events(now=later(minutes=11)) == 0
    decisions = [submit_one(confidence=0.95, external_id=f"again-{each}") for each in range(3)]
    assert {each.route for each in decisions} == {"review"}
    with pytest.raises(CommandError, match="--accept-loss"):
        call_command("acknowledge_restore", "--user", "ada")
    call_command("acknowledge_restore", "--user", "ada", "--accept-loss")
    assert submit_one(confidence=0.95, external_id="then").route == "auto"
    assert seal_events(now=later(minutes=12)) > 0
    whole, checkpoints_lost = verified(log)
    assert checkpoints_lost == 1
    assert whole.tree.size == Event.objects.count()
