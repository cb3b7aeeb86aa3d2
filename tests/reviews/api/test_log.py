"""The sealed log by API: what it proves holds by the public key alone, and what it can't prove it says."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.db import connection
from django.utils import timezone

from reviews.domain.checkpoint import verifier_key
from reviews.domain.vocabulary import EventKind, Scope
from reviews.models import Event
from reviews.services.keys import issue_key
from reviews.services.record import record
from reviews.services.restored import acknowledge_restore, note_restored_by_command
from reviews.services.seal import seal_events
from reviews.services.signing import create_key_file, signing_keys
from tests.conftest import _as_owner
from tests.factories import ada, ines, make_client
from tests.reviews.api.calling import Caller, problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("log")]
WATCHER = Path(__file__).parents[3] / "clients" / "python" / "watch_log.py"


@pytest.fixture
def auditor():
    """A program of the auditors', by its key."""
    return Caller(key=make_client("Auditor", scopes=[Scope.LOG_READ], workflows=[], now=timezone.now())[1])


@pytest.fixture
def watch(live_server, log, tmp_path):
    """Run the auditors' script, as cron would; its exit code and what it says."""
    client, _ = make_client("Watcher", scopes=[Scope.LOG_READ], workflows=[], now=timezone.now())
    key = issue_key(client, now=timezone.now())
    trusted = verifier_key("log.example", signing_keys(log.LOG_KEY_FILE)[0].public)
    kept = tmp_path / "kept"

    def run(*more, url=live_server.url):
        done = subprocess.run(
            [sys.executable, WATCHER, url, "--key", trusted, "--keep", kept, *more],
            env={"PATH": os.environ["PATH"], "COUNTERSIGN_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout

    run.kept, run.client = kept, client
    return run


@contextmanager
def console_that_says(answers):
    """The address of a console that answers by path what it was told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path]).encode())

        def log_message(self, *_):
            """Into the tests' output it doesn't belong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def happen(number):
    """So many events, and seal them; the last."""
    for each in range(number):
        event = record(EventKind.EXPORTED, now=timezone.now(), body={"number": each})
    seal_events(now=timezone.now())
    return event


def as_owner(statement, *values):
    """What only the database's owner can do to the log."""
    tables = ("event", "leaf", "keptnode", "checkpoint")
    with _as_owner() as owner:
        for table in tables:
            owner.execute(f"ALTER TABLE reviews_{table} DISABLE TRIGGER USER")
        owner.execute(statement, values)
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            owner.execute(f"ALTER TABLE reviews_{table} ENABLE TRIGGER USER")


def test_the_watchers_script_sees_the_log_grow_and_an_event_in_it(watch):
    happen(3)
    assert "3 leaves in epoch 1, the first that is kept" in watch()[1]
    assert "3 leaves in epoch 1, going on from 3 that were kept" in watch()[1]
    event = happen(600)
    code, said = watch("--event", str(event.pk))
    assert code == 0
    assert "603 leaves in epoch 1, going on from 3 that were kept" in said
    assert f"event {event.pk} is leaf 602: " in said
    kept = [json.loads(line)["note"] for line in watch.kept.read_text().splitlines()]
    assert [note.split("\n")[1] for note in kept] == ["3", "603"]


def test_an_event_that_its_owner_alters_is_found_by_its_proof(watch):
    event = happen(5)
    assert watch("--event", str(event.pk))[0] == 0
    as_owner("UPDATE reviews_event SET body = '{\"number\":9}' WHERE id = %s", event.pk)
    code, said = watch("--event", str(event.pk))
    assert code == 1
    assert f"FAULT: event {event.pk} is not the one that was sealed as leaf 4." in said


def test_a_log_that_is_written_anew_with_its_own_key_does_not_go_on_from_what_was_kept(watch, log):
    happen(5)
    assert watch()[0] == 0
    for table in ("leaf", "keptnode", "checkpoint"):
        as_owner(f"DELETE FROM reviews_{table}")
    as_owner("UPDATE reviews_event SET body = '{\"number\":9}' WHERE id = (SELECT min(id) FROM reviews_event)")
    log.LOG_ANCHOR_FILE.unlink()
    happen(4)
    code, said = watch()
    assert code == 1
    assert "FAULT: the checkpoint of 9 leaves in epoch 1 does not go on from the checkpoint of 5 leaves" in said


def test_a_console_that_proves_an_event_by_another_tree_than_the_one_it_shows_is_found(watch, auditor, log):
    event = happen(5)
    shown = auditor.get("log/checkpoint").json()
    for table in ("leaf", "keptnode", "checkpoint"):
        as_owner(f"DELETE FROM reviews_{table}")
    as_owner("UPDATE reviews_event SET body = '{\"number\":9}' WHERE id = %s", event.pk)
    log.LOG_ANCHOR_FILE.unlink()
    seal_events(now=timezone.now())
    proved = auditor.get(f"log/events/{event.pk}").json()
    assert proved["checkpoint"]["size"] == shown["size"]
    answers = {"/api/v1/log/checkpoint": shown, f"/api/v1/log/events/{event.pk}": proved}
    with console_that_says(answers) as url:
        assert watch(url=url)[0] == 0
        code, said = watch("--event", str(event.pk), url=url)
    assert code == 1
    assert "FAULT: the checkpoint of 5 leaves in epoch 1 does not go on from the checkpoint of 5 leaves" in said


def test_a_log_that_was_cut_off_is_found(watch, log):
    happen(2)
    assert watch()[0] == 0
    happen(3)
    assert watch()[0] == 0
    for table, condition in (
        ("leaf", "index >= 2"),
        ("event", "id > (SELECT min(id) + 1 FROM reviews_event)"),
        ("checkpoint", "size > 2"),
    ):
        as_owner(f"DELETE FROM reviews_{table} WHERE {condition}")
    code, said = watch()
    assert code == 1
    assert "is older than the checkpoint of 5 leaves" in said


def test_a_key_that_is_not_trusted_signs_nothing_that_is_believed(watch, log, tmp_path):
    happen(1)
    create_key_file(tmp_path / "another.json", now=timezone.now())
    (another,) = signing_keys(tmp_path / "another.json")
    trusted = signing_keys(log.LOG_KEY_FILE)[0]
    assert another.public != trusted.public
    log.LOG_KEY_FILE = tmp_path / "another.json"
    record(EventKind.EXPORTED, now=timezone.now(), body={})
    log.LOG_ANCHOR_FILE.unlink()
    seal_events(now=timezone.now())
    code, said = watch()
    assert code == 1
    assert "is not signed by a key that is trusted" in said


def test_without_the_scope_the_script_learns_nothing_and_says_so(watch):
    happen(1)
    watch.client.scopes = [Scope.DECISIONS_READ]
    watch.client.save()
    code, said = watch()
    assert code == 2
    assert "keys with the scope log:read" in said


def test_before_anything_is_sealed_it_says_when_to_come_again(auditor):
    record(EventKind.EXPORTED, now=timezone.now(), body={})
    for path in ("checkpoint", "consistency?first=0", f"events/{Event.objects.get().pk}"):
        answer = auditor.get(f"log/{path}")
        problem(answer, 404, "not_sealed")
        assert answer["Retry-After"] == "1"


def test_an_event_that_never_was_is_not_there(auditor):
    happen(1)
    for number in (0, 10**6, 10**40):
        problem(auditor.get(f"log/events/{number}"), 404, "not_found")


def test_an_event_that_its_owner_removed_is_not_passed_over(auditor):
    event = happen(3)
    as_owner("DELETE FROM reviews_event WHERE id = %s", event.pk)
    problem(auditor.get(f"log/events/{event.pk}"), 409, "tree_broken")


def test_a_leaf_that_its_owner_removed_is_told_by_every_proof_that_needs_it(auditor):
    event = happen(3)
    as_owner("DELETE FROM reviews_leaf WHERE index = 0")
    problem(auditor.get(f"log/events/{event.pk}"), 409, "tree_broken")
    problem(auditor.get("log/consistency?first=1&second=3"), 409, "tree_broken")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "first"),
        ("?first=-1", "first"),
        ("?first=4", "first"),
        ("?first=2&second=1", "first"),
        ("?first=1&second=4", "second"),
        (f"?first={10**30}", "first"),
        ("?first=1&third=1", "third"),
        ("?first=1&first=2", "first"),
    ],
)
def test_sizes_that_no_proof_can_be_of_are_refused(auditor, query, parameter):
    happen(3)
    refused = problem(auditor.get(f"log/consistency{query}"), 422, "invalid")
    assert [error["parameter"] for error in refused["errors"]] == [parameter]


def test_after_a_restore_the_script_sees_the_epoch_and_the_same_tree(watch):
    happen(3)
    assert watch()[0] == 0
    note_restored_by_command(now=timezone.now())
    acknowledge_restore(user=ada(), note=None, accept_loss=False, now=timezone.now())
    happen(2)
    code, said = watch()
    assert code == 0
    assert "in epoch 2, going on from 3" in said


def test_the_session_of_an_auditor_reads_the_same(auditor):
    event = happen(2)
    for path in ("checkpoint", "consistency?first=1", f"events/{event.pk}"):
        assert Caller(user=ines()).get(f"log/{path}").json() == auditor.get(f"log/{path}").json()


def test_with_the_key_file_gone_what_was_signed_is_still_proved(auditor, log):
    event = happen(2)
    log.LOG_KEY_FILE.unlink()
    assert auditor.get("log/checkpoint").json()["keys"] == []
    assert auditor.get(f"log/events/{event.pk}").json()["index"] == 1


def test_proofs_cost_the_same_however_long_the_log_is(auditor, django_assert_max_num_queries):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reviews_event (kind, at, body) SELECT 'exported', now(), '{}' FROM generate_series(1, 3000)"
        )
    seal_events(now=timezone.now())
    event = Event.objects.earliest("id")
    with django_assert_max_num_queries(16):
        assert auditor.get(f"log/events/{event.pk}").status_code == 200
    with django_assert_max_num_queries(24):
        assert auditor.get("log/consistency?first=1234").status_code == 200
