"""What is sealed is looked at again: whatever the database's owner changes in it stops the console, by itself."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser

from clients.python.verify_log import notes_of, verify
from config.metrics import exposition
from reviews.domain.checkpoint import Head
from reviews.domain.entry import entry_of
from reviews.domain.merkle import leaf_hash, root_of
from reviews.domain.notices import OF_THE_LOG
from reviews.domain.vocabulary import ChannelKind, EventKind, Notice, RestoreCause, WebhookType
from reviews.models import Channel, Delivery, Endpoint, Event, Heartbeat, Leaf, Outcome
from reviews.queries.seal import RECHECK, event_row, fault_found, kept_tiles, open_restore
from reviews.queries.sealed_log import export_lines
from reviews.services.outside import keep_outside, signed
from reviews.services.permit import PermitRefused, issue_permit
from reviews.services.recheck import TILES_IN_A_HURRY
from reviews.services.record import record
from reviews.services.restored import acknowledge_restore
from reviews.services.seal import seal_events
from reviews.services.signing import create_key_file, signing_keys
from reviews.services.sweep import sweep_once
from reviews.services.tree import present_epoch
from tests.conftest import _as_owner
from tests.factories import NOW, ada, ana, ines, later, make_client, make_live_policy, omar, submit_one

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("log")]
TABLES = ("event", "leaf", "keptnode", "checkpoint")


def happen(number=1):
    for each in range(number):
        record(EventKind.EXPORTED, now=NOW, body={"number": each})
    return seal_events(now=NOW)


def happen_many(number):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reviews_event (kind, at, body) SELECT 'exported', %s, '{}' FROM generate_series(1, %s)",
            [NOW, number],
        )
    seal_events(now=NOW)


def as_owner(*statements):
    """What only the database's owner can do to the log."""
    with _as_owner() as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE reviews_{table} DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement)
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            owner.execute(f"ALTER TABLE reviews_{table} ENABLE TRIGGER USER")


def alter_leafs_event(index, body):
    as_owner(
        f"UPDATE reviews_event SET body = '{body}' WHERE id = (SELECT event_id FROM reviews_leaf WHERE index = {index})"
    )


def test_an_altered_event_stops_the_console_with_the_next_sweep():
    make_live_policy()
    happen(3)
    assert sweep_once(now=NOW)["failed"] == 0
    assert open_restore() is None
    alter_leafs_event(1, '{"number":7}')
    done = sweep_once(now=NOW)
    assert (done["failed"], done["sealed"]) == (0, 0)
    assert open_restore().cause == RestoreCause.BROKEN
    event = Leaf.objects.get(index=1).event_id
    assert fault_found() == f"event {event} (exported) is not the one that was sealed as leaf 1"
    decision = submit_one(confidence=0.95)
    assert decision.route == "review"
    assert "its log was changed" in decision.reasons[0]["message"]
    assert not Outcome.objects.filter(decision=decision).exists()


def test_no_permit_is_issued_meanwhile(tmp_path, settings):
    settings.PERMIT_KEY_FILE = tmp_path / "permits.json"
    create_key_file(settings.PERMIT_KEY_FILE, now=NOW)
    make_live_policy()
    upstream, _ = make_client(now=NOW)
    make_client("Executor", scopes=["permits:redeem"], now=NOW)
    decision = submit_one(client=upstream, confidence=0.95)
    seal_events(now=NOW)
    alter_leafs_event(0, "{}")
    seal_events(now=NOW)
    with pytest.raises(PermitRefused, match="its log was changed"):
        issue_permit(decision.pk, client=upstream, audience="Executor", now=NOW)


def test_every_page_says_so_and_those_who_oversee_see_what_was_found():
    happen(3)
    alter_leafs_event(2, "{}")
    seal_events(now=NOW)
    for who in (ana, omar, ines):
        browser = Browser()
        browser.force_login(who())
        page = browser.get("/").content.decode()
        assert "LOG BROKEN." in page
        assert ("what was found" in page) == (who is not ana)
    found = "is not the one that was sealed as leaf 2"
    assert found in browser.get("/log/sealed/").content.decode()
    browser.force_login(omar())
    assert found in browser.get("/status/").content.decode()


def test_channels_and_endpoints_are_told_once():
    upstream, _ = make_client(now=NOW)
    Endpoint.objects.create(client=upstream, url="https://hooks.example.org/in", secret="whsec_YQ==")
    Channel.objects.create(
        title="On call", kind=ChannelKind.EMAIL, address="on-call@example.org", notices=[Notice.ALARM_RAISED]
    )
    happen(3)
    alter_leafs_event(0, "{}")
    for second in range(3):
        seal_events(now=later(seconds=second))
    to_people, to_systems = Delivery.objects.get(endpoint=None), Delivery.objects.get(channel=None)
    assert (to_systems.type, json.loads(to_systems.body)["data"]["kind"]) == (WebhookType.ALARM_RAISED, "log_broken")
    said = json.loads(to_people.body)
    assert OF_THE_LOG["log_broken"] in said["said"]
    assert said["link"].endswith("/log/sealed/")
    assert Event.objects.get(kind=EventKind.ALARM_RAISED).epoch == 2


def test_metrics_tell_of_it():
    happen(2)
    assert b'countersign_log_stopped{cause="broken"} 0.0' in exposition()
    alter_leafs_event(0, "{}")
    seal_events(now=NOW)
    assert b'countersign_log_stopped{cause="broken"} 1.0' in exposition()


def test_nobody_can_accept_it(capsys):
    happen(3)
    alter_leafs_event(0, "{}")
    seal_events(now=NOW)
    ada()
    with pytest.raises(CommandError, match=r"is not the one that was sealed as leaf 0.*from a backup or an export"):
        call_command("acknowledge_restore", "--user", "ada", "--accept-loss")
    assert open_restore().cause == RestoreCause.BROKEN


def test_it_ends_by_itself_once_the_rows_are_as_they_were_and_the_log_verifies(log):
    make_live_policy()
    happen(3)
    alter_leafs_event(1, '{"number":7}')
    assert happen() == 0
    alter_leafs_event(1, '{"number":1}')
    seal_events(now=NOW)
    assert open_restore() is None
    seal_events(now=NOW)
    assert submit_one(confidence=0.95).route == "auto"
    seal_events(now=NOW)
    told = json.loads(Event.objects.get(kind=EventKind.LOG_RESTORED).body)
    assert (told["cause"], told["nothing_missing"], told["size"]) == ("broken", True, 4)
    lines = export_lines(keys=[key.public for key in signing_keys(log.LOG_KEY_FILE)], name="log.example")
    _, lost = verify(lines, outside=notes_of(log.LOG_ANCHOR_FILE))
    assert lost == 0


def test_a_dump_made_meanwhile_is_once_its_rows_are_put_right_a_restored_database_like_any(log):
    happen(3)
    alter_leafs_event(1, '{"number":7}')
    happen()
    # The console that the dump is of was put right, and went on.
    head = Head(name="log.example", epoch=present_epoch(), size=9, root=bytes(32), at=NOW)
    keep_outside(signed(head, signing_keys(log.LOG_KEY_FILE)[0]).note())
    alter_leafs_event(1, '{"number":1}')
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.BEHIND
    acknowledge_restore(user=ada(), note=None, accept_loss=True, now=NOW)
    assert open_restore() is None
    seal_events(now=NOW)
    lines = export_lines(keys=[key.public for key in signing_keys(log.LOG_KEY_FILE)], name="log.example")
    _, lost = verify(lines, outside=notes_of(log.LOG_ANCHOR_FILE))
    assert lost == 1


def test_it_does_not_end_before_all_of_it_was_looked_at(log):
    happen_many((TILES_IN_A_HURRY + 4) * 256)
    alter_leafs_event(5, '{"changed":1}')
    alter_leafs_event(TILES_IN_A_HURRY * 256 + 300, '{"changed":1}')
    Heartbeat.objects.filter(pk=RECHECK).update(detail={"next": 0})
    seal_events(now=NOW)
    assert "leaf 5" in fault_found()
    alter_leafs_event(5, "{}")
    for _ in range(4):
        seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.BROKEN
    assert f"leaf {TILES_IN_A_HURRY * 256 + 300}" in fault_found()


CHANGES = {
    "an event's body": "UPDATE reviews_event SET body = '{\"changed\":1}' WHERE id = {event}",
    "an event's kind": "UPDATE reviews_event SET kind = 'decision.purged' WHERE id = {event}",
    "an event's time": "UPDATE reviews_event SET at = at + interval '1 second' WHERE id = {event}",
    "an event that is gone": "DELETE FROM reviews_event WHERE id = {event}",
    "a leaf that is gone": "DELETE FROM reviews_leaf WHERE index = {index}",
    "a leaf's hash": "UPDATE reviews_leaf SET hash = sha256(hash) WHERE index = {index}",
    "a node": "UPDATE reviews_keptnode SET hash = sha256(hash) WHERE level = 8 AND index = {index} / 256",
    "a node that is gone": "DELETE FROM reviews_keptnode WHERE level = 8 AND index = {index} / 256",
    "the newest checkpoint's root": "UPDATE reviews_checkpoint SET root = sha256(root)",
    "the last leaves": "DELETE FROM reviews_leaf WHERE index >= {index}",
}


@pytest.mark.parametrize("index", [0, 300, 511, 512, 700, 767])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_is_found_in_one_pass(change, index):
    happen_many(768)
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM reviews_leaf WHERE index = %s", [index])
        (event,) = cursor.fetchone()
    as_owner(CHANGES[change].replace("{event}", str(event)).replace("{index}", str(index)))
    for _ in range(4):
        seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.BROKEN


def test_an_event_whose_leaf_and_node_were_made_anew_is_found_by_the_node_above_them():
    happen_many(66_000)
    for _ in range(4):
        seal_events(now=NOW)
    event = Leaf.objects.get(index=600).event_id
    as_owner(f"UPDATE reviews_event SET body = '{{\"changed\":1}}' WHERE id = {event}")
    leaf = leaf_hash(entry_of(event_row(event)))
    as_owner(f"UPDATE reviews_leaf SET hash = '\\x{leaf.hex()}' WHERE index = 600")
    node = root_of(kept_tiles()(0, 2))
    as_owner(f"UPDATE reviews_keptnode SET hash = '\\x{node.hex()}' WHERE level = 8 AND index = 2")
    Heartbeat.objects.filter(pk=RECHECK).update(detail={"next": 512})
    seal_events(now=NOW)
    assert open_restore() is None  # The forger did well so far.
    Heartbeat.objects.filter(pk=RECHECK).update(detail={"next": 65_280})
    seal_events(now=NOW)
    assert open_restore().cause == RestoreCause.BROKEN
    assert fault_found() == "node 0 of level 16 is not the one above its leaves"


def test_a_log_that_nobody_touched_is_never_called_broken(django_assert_max_num_queries):
    happen_many(1_500)
    for _ in range(16):
        seal_events(now=NOW)
        happen(1)
    assert (open_restore(), fault_found()) == (None, "")
    seal_events(now=NOW)
    with django_assert_max_num_queries(40):
        seal_events(now=NOW)
