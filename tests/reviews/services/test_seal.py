"""The sealer: every event in the tree, once, in order, under heads that are signed and kept outside."""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from reviews.domain.checkpoint import checkpoint_of, key_hash
from reviews.domain.entry import entry_of
from reviews.domain.merkle import leaf_hash, proves_consistency, proves_inclusion, root_of
from reviews.domain.vocabulary import EventKind
from reviews.models import Checkpoint, Event, Heartbeat, KeptNode, Leaf
from reviews.queries.seal import consistency, event_row, oldest_unsealed_at, place_of
from reviews.services.outside import is_ours
from reviews.services.record import record
from reviews.services.seal import CHUNK, rotate_log_key, seal_events
from reviews.services.signing import create_key_file, signing_keys

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def anchors(settings, tmp_path):
    settings.LOG_KEY_FILE = tmp_path / "keys" / "log.json"
    settings.LOG_ANCHOR_FILE = tmp_path / "outside" / "checkpoints"
    settings.LOG_NAME = "log.example"
    create_key_file(settings.LOG_KEY_FILE, now=NOW)
    return settings.LOG_ANCHOR_FILE


def happen(number=1):
    for each in range(number):
        record(EventKind.EXPORTED, now=NOW, body={"number": each})


def happen_many(number):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reviews_event (kind, at, body) SELECT 'exported', %s, '{}' FROM generate_series(1, %s)",
            [NOW, number],
        )


def sealed_events():
    return list(Leaf.objects.order_by("index").values_list("event_id", flat=True))


def kept_outside(anchors):
    return [json.loads(line)["note"] for line in anchors.read_text().splitlines()]


def test_a_first_start_seals_nothing_and_is_no_restore(anchors):
    assert seal_events(now=NOW) == 0
    assert not Checkpoint.objects.exists()
    assert not anchors.exists()


def test_what_happened_is_sealed_under_a_signed_head(settings):
    happen(3)
    assert seal_events(now=NOW) == 3
    leaves = [
        leaf_hash(entry_of(event_row(each))) for each in Event.objects.order_by("id").values_list("id", flat=True)
    ]
    assert [bytes(each.hash) for each in Leaf.objects.order_by("index")] == leaves
    head = Checkpoint.objects.get()
    checkpoint = checkpoint_of(head.note)
    assert (checkpoint.head.size, checkpoint.head.root) == (3, root_of(leaves)) == (head.size, bytes(head.root))
    assert checkpoint.note() == head.note
    (key,) = signing_keys(settings.LOG_KEY_FILE)
    (signature,) = checkpoint.signatures
    assert signature.key_hash == key_hash("log.example", key.public)
    assert key.verifies(signature.signature, checkpoint.text.encode())
    assert head.note.startswith("log.example/1\n3\n")


def test_nothing_is_sealed_twice():
    happen(2)
    assert seal_events(now=NOW) == 2
    assert seal_events(now=NOW) == 0
    happen()
    assert seal_events(now=NOW) == 1
    assert len(set(sealed_events())) == 3
    assert Checkpoint.objects.count() == 2


def test_each_head_is_consistent_with_those_before_it():
    for _ in range(4):
        happen(random.Random(1).randrange(1, 200))
        seal_events(now=NOW)
    heads = list(Checkpoint.objects.order_by("id"))
    for first in heads:
        for second in heads:
            if first.size <= second.size:
                proof = consistency(first.size, second.size)
                assert proves_consistency(first.size, bytes(first.root), second.size, bytes(second.root), proof)


def test_the_place_of_an_event_is_proved():
    happen_many(700)
    seal_events(now=NOW)
    for event_id in sealed_events()[::97]:
        place = place_of(event_id)
        assert place is not None
        assert proves_inclusion(
            leaf_hash(entry_of(place.entry)),
            index=place.index,
            size=place.checkpoint.size,
            proof=place.proof,
            root=bytes(place.checkpoint.root),
        )


def test_what_is_not_yet_sealed_has_no_place():
    happen()
    event = Event.objects.get()
    assert place_of(event.pk) is None
    assert oldest_unsealed_at() == NOW
    seal_events(now=NOW)
    assert oldest_unsealed_at() is None


def test_a_long_backlog_is_sealed_in_chunks():
    happen_many(CHUNK + 10)
    assert seal_events(now=NOW, chunks=1) == CHUNK
    assert seal_events(now=NOW) == 10
    assert [each.size for each in Checkpoint.objects.order_by("id")] == [CHUNK, CHUNK + 10]
    assert KeptNode.objects.count() == (CHUNK + 10) // 256


def test_an_idle_log_is_signed_again_every_ten_minutes(anchors):
    happen()
    seal_events(now=NOW)
    seal_events(now=NOW + timedelta(minutes=9))
    assert Checkpoint.objects.count() == 1
    seal_events(now=NOW + timedelta(minutes=10))
    first, second = Checkpoint.objects.order_by("id")
    assert (second.size, second.root) == (first.size, first.root)
    assert "time 2026-03-02T09:10:00Z" in second.note
    assert kept_outside(anchors) == [first.note, second.note]


def test_each_checkpoint_is_kept_outside_once(anchors):
    happen()
    seal_events(now=NOW)
    seal_events(now=NOW)
    assert kept_outside(anchors) == [Checkpoint.objects.get().note]


def test_a_line_that_was_cut_off_is_passed_over(anchors):
    happen()
    seal_events(now=NOW)
    with anchors.open("a") as file:
        file.write('{"at": "20')
    happen()
    assert seal_events(now=NOW) == 1
    assert json.loads(anchors.read_text().splitlines()[-1])["note"] == Checkpoint.objects.latest("id").note


def test_an_event_whose_transaction_runs_holds_back_what_came_after_it():
    begun, done = threading.Event(), threading.Event()

    def slow():
        try:
            with transaction.atomic():
                happen()
                begun.set()
                done.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(10)
    happen()
    assert seal_events(now=NOW) == 0
    done.set()
    thread.join()
    assert seal_events(now=NOW) == 2
    assert sealed_events() == sorted(Event.objects.values_list("pk", flat=True))


def test_sixteen_writers_and_rival_sealers_leave_every_event_in_the_tree_once_in_order():
    finished = threading.Event()

    def write(seed):
        draw = random.Random(seed)
        try:
            for _ in range(12):
                try:
                    with transaction.atomic():
                        happen(draw.randrange(1, 4))
                        time.sleep(draw.random() * 0.02)
                        if draw.random() < 0.25:
                            raise TimeoutError
                except TimeoutError:
                    pass
        finally:
            connections.close_all()

    def seal():
        try:
            while not finished.is_set():
                seal_events(now=NOW)
                time.sleep(0.005)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(18) as pool:
        sealers = [pool.submit(seal) for _ in range(2)]
        writers = [pool.submit(write, seed) for seed in range(16)]
        for writer in writers:
            writer.result()
        finished.set()
        for sealer in sealers:
            sealer.result()
    seal_events(now=NOW)
    in_order = Event.objects.order_by("epoch", "xid", "id").values_list("pk", flat=True)
    assert sealed_events() == list(in_order)
    assert len(in_order) > 16 * 12
    assert list(Leaf.objects.order_by("index").values_list("index", flat=True)) == list(range(len(in_order)))
    leaves = [bytes(each) for each in Leaf.objects.order_by("index").values_list("hash", flat=True)]
    for head in Checkpoint.objects.all():
        assert bytes(head.root) == root_of(leaves[: head.size])


def test_the_checkpoint_of_a_rotation_is_signed_by_both_keys(settings):
    happen()
    seal_events(now=NOW)
    linking = rotate_log_key(now=NOW + timedelta(days=1))
    new, old = signing_keys(settings.LOG_KEY_FILE)
    checkpoint = checkpoint_of(linking.note)
    assert [each.key_hash for each in checkpoint.signatures] == [
        key_hash("log.example", key.public) for key in (new, old)
    ]
    happen()
    seal_events(now=NOW + timedelta(days=1))
    (signature,) = checkpoint_of(Checkpoint.objects.latest("id").note).signatures
    assert signature.key_hash == key_hash("log.example", new.public)
    assert all(is_ours(checkpoint_of(head.note)) for head in Checkpoint.objects.all())


def test_the_sealer_tells_which_database_it_sealed():
    happen()
    seal_events(now=NOW)
    assert Heartbeat.objects.get(pk="sealer").detail["size"] == 1


def test_the_log_keeps_the_name_of_its_first_checkpoint(settings):
    happen()
    seal_events(now=NOW)
    settings.LOG_NAME = "moved.example"
    happen()
    seal_events(now=NOW)
    assert {checkpoint_of(head.note).head.name for head in Checkpoint.objects.all()} == {"log.example"}
