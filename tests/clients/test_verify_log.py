"""The verifier of the log: the untouched log passes, and whatever is done to it is found, by whomever."""

import json
import random
import subprocess
import sys
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice, zip_longest
from operator import itemgetter
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command
from django.db import connection

from clients.python.verify_log import Checkpoint, Fault, Log, notes_of, verify
from reviews.domain.checkpoint import verifier_key
from reviews.domain.vocabulary import EventKind
from reviews.models import Checkpoint as Head
from reviews.models import Leaf
from reviews.queries.sealed_log import export_lines
from reviews.services.record import record
from reviews.services.seal import rotate_log_key, seal_events
from reviews.services.signing import create_key_file, signing_keys
from tests.conftest import _as_owner

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
VERIFIER = Path(__file__).parents[2] / "clients" / "python" / "verify_log.py"


@pytest.fixture(autouse=True)
def log(settings, tmp_path):
    """An empty log of its own, with its key and its file of checkpoints."""
    settings.LOG_KEY_FILE = tmp_path / "keys" / "log.json"
    settings.LOG_ANCHOR_FILE = tmp_path / "checkpoints"
    settings.LOG_NAME = "log.example"
    create_key_file(settings.LOG_KEY_FILE, now=NOW)
    return settings


def quickly(public, signature, message):
    """Hundreds of runs of openssl take minutes; that openssl says the same is a test of its own."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def write_log(*sizes):
    """Events in as many sealed batches."""
    for number, size in enumerate(sizes):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO reviews_event (kind, at, body) SELECT 'exported', %s, "
                "json_build_object('batch', %s::int, 'number', each)::text FROM generate_series(1, %s) each",
                [NOW, number, size],
            )
        seal_events(now=NOW + timedelta(seconds=number))


def exported(log):
    return list(export_lines(keys=[key.public for key in signing_keys(log.LOG_KEY_FILE)], name=log.LOG_NAME))


def check(lines, log, **options):
    return verify(lines, outside=notes_of(log.LOG_ANCHOR_FILE), verifies=quickly, **options)


# ---- 600 ways -------------------------------------------------------------------------------------------------------


def leaf_line(index, entry):
    """A leaf as whoever forges one would write it, with a hash that fits."""
    return b'{"index":%d,"hash":"%s","event":%s}' % (index, sha256(b"\x00" + entry).hexdigest().encode(), entry)


def entry_in(line):
    return line[line.index(b'"event":') + 8 : -1]


def renumbered(lines):
    """With indexes that count again, as whoever covers a tampering would leave them."""
    index, again = 0, []
    for line in lines:
        if line.startswith(b'{"index"'):
            again.append(leaf_line(index, entry_in(line)))
            index += 1
        else:
            again.append(line)
    return again


def edit(lines, at, draw):
    entry = entry_in(lines[at]).replace(b"exported", draw.choice([b"exportee", b"verdict.given", b"exporteD"]))
    index = json.loads(lines[at])["index"]
    changed = leaf_line(index, entry) if draw.random() < 0.5 else lines[at].replace(entry_in(lines[at]), entry)
    return [*lines[:at], changed, *lines[at + 1 :]]


def delete(lines, at, draw):
    rest = lines[:at] + lines[at + 1 :]
    return renumbered(rest) if draw.random() < 0.1 else rest


def insert(lines, at, draw):
    forged = leaf_line(json.loads(lines[at])["index"], entry_in(lines[at]).replace(b'"id":', b'"id":9'))
    more = [*lines[:at], draw.choice([forged, lines[at]]), *lines[at:]]
    return renumbered(more) if draw.random() < 0.1 else more


def swap(lines, at, draw):
    other = draw.choice([place for place, line in enumerate(lines) if line.startswith(b'{"index"') and place != at])
    changed = list(lines)
    changed[at], changed[other] = lines[other], lines[at]
    return renumbered(changed) if draw.random() < 0.1 else changed


def truncate(lines, at, draw):
    heads = [place for place, line in enumerate(lines[:-1]) if line.startswith(b'{"checkpoint"')]
    if draw.random() < 0.5:
        return lines[:at]
    kept = lines[: draw.choice(heads[:-1]) + 1]  # cut behind a checkpoint, with an end that says that this is all
    size = sum(line.startswith(b'{"index"') for line in kept)
    return [*kept, json.dumps({"end": size, "unsealed": []}).encode()]


def renumber(lines, at, draw):
    shift = draw.choice([-1, 1, 1000])
    index = json.loads(lines[at])["index"]
    changed = lines[at].replace(b'"index":%d,' % index, b'"index":%d,' % max(index + shift, 0))
    if changed == lines[at]:
        changed = lines[at].replace(b'"index":0,', b'"index":1,')
    return [*lines[:at], changed, *lines[at + 1 :]]


class Prefixes:
    """What the verifier knew after each checkpoint, so that what stands before a tampering is read but once."""

    def __init__(self, lines, log):
        self.lines = lines
        reading = Log(outside=[Checkpoint(note) for note in notes_of(log.LOG_ANCHOR_FILE)], verifies=quickly)
        self.known = [(0, copied(reading))]
        for number, line in enumerate(lines):
            reading.read(line)
            if line.startswith(b'{"checkpoint"'):
                self.known.append((number + 1, copied(reading)))

    def check(self, tampered):
        same = next(number for number, pair in enumerate(zip_longest(self.lines, tampered)) if pair[0] != pair[1])
        start, known = max((each for each in self.known if each[0] <= same), key=itemgetter(0))
        reading = copied(known)
        for line in islice(tampered, start, None):
            reading.read(line)
        reading.finish()


def copied(reading):
    return deepcopy(reading, {id(reading.seen): set(reading.seen), id(reading.verifies): reading.verifies})


def test_of_ten_thousand_events_six_hundred_tamperings_are_found(log):
    write_log(*[1_000] * 10)
    lines = exported(log)
    whole, lost = check(lines, log)
    assert (whole.tree.size, len(whole.checkpoints), lost) == (10_000, 10, 0)
    prefixes = Prefixes(lines, log)
    draw = random.Random(6962)
    leaves = [place for place, line in enumerate(lines) if line.startswith(b'{"index"')]
    missed = []
    for number in range(600):
        tamper = (edit, delete, insert, swap, truncate, renumber)[number % 6]
        tampered = tamper(lines, draw.choice(leaves), draw)
        assert tampered != lines
        try:
            prefixes.check(tampered)
        except Fault:
            continue
        missed.append((number, tamper.__name__))
    assert missed == []


AS_OWNER = {
    "edit": "UPDATE reviews_event SET body = '{}' WHERE id = {event}",
    "edit of who": "UPDATE reviews_event SET at = at + interval '1 second' WHERE id = {event}",
    "edit of the kind": "UPDATE reviews_event SET kind = 'verdict.given' WHERE id = {event}",
    "edit of the transaction": "UPDATE reviews_event SET xid = '3'::xid8 WHERE id = {event}",
    "edit and hash": """
        UPDATE reviews_event SET body = '{}' WHERE id = {event};
        UPDATE reviews_leaf SET hash = sha256('\\x00'::bytea || body_of.entry) FROM (SELECT '{}'::bytea entry) body_of
         WHERE event_id = {event}""",
    "delete of an event": "DELETE FROM reviews_event WHERE id = {event}",
    "delete of a leaf": "DELETE FROM reviews_leaf WHERE event_id = {event}",
    "delete of both": "DELETE FROM reviews_leaf WHERE event_id = {event}; DELETE FROM reviews_event WHERE id = {event}",
    "insert": "INSERT INTO reviews_event (xid, kind, at, body) VALUES ('4'::xid8, 'exported', now(), '{}')",
    "insert with a leaf": """
        WITH put AS (INSERT INTO reviews_event (kind, at, body) VALUES ('exported', now(), '{}') RETURNING id)
        INSERT INTO reviews_leaf (index, event_id, hash)
        SELECT (SELECT max(index) + 1 FROM reviews_leaf), id, sha256('') FROM put""",
    "swap": """
        UPDATE reviews_leaf SET event_id = -event_id WHERE event_id IN ({event}, {event} + 1);
        UPDATE reviews_leaf SET event_id = 2 * {event} + 1 + event_id WHERE event_id < 0""",
    "swap of contents": """
        UPDATE reviews_event e SET body = o.body FROM reviews_event o
         WHERE e.id IN ({event}, {event} + 1) AND o.id = 2 * {event} + 1 - e.id""",
    "truncate": """
        DELETE FROM reviews_leaf WHERE event_id > {event};
        DELETE FROM reviews_checkpoint WHERE size > (SELECT count(*) FROM reviews_leaf);
        DELETE FROM reviews_event WHERE id > {event}""",
    "truncate to a checkpoint": """
        DELETE FROM reviews_checkpoint WHERE id = (SELECT max(id) FROM reviews_checkpoint);
        DELETE FROM reviews_leaf WHERE index >= (SELECT max(size) FROM reviews_checkpoint);
        DELETE FROM reviews_event e WHERE NOT EXISTS (SELECT FROM reviews_leaf l WHERE l.event_id = e.id)""",
    "renumber": """
        UPDATE reviews_leaf SET event_id = event_id + 10000 WHERE event_id = {event};
        UPDATE reviews_event SET id = id + 10000 WHERE id = {event}""",
    "renumber of a leaf": """
        UPDATE reviews_leaf SET index = -1 - index WHERE event_id IN ({event}, {event} + 1);
        UPDATE reviews_leaf SET index = (SELECT -1 - sum(index) FROM reviews_leaf WHERE index < 0) + index
         WHERE index < 0""",
    "another head": "UPDATE reviews_checkpoint SET note = replace(note, 'time 2026', 'time 2025')",
}


def test_what_the_owner_of_the_database_does_is_found(log):
    write_log(40, 50, 30)
    check(exported(log), log)
    tables = ("reviews_event", "reviews_leaf", "reviews_checkpoint")
    event = Leaf.objects.get(index=60).event_id
    missed = []
    with _as_owner() as owner:
        owner.autocommit = True
        for table in tables:
            owner.execute(f"CREATE TABLE baseline.kept_{table} AS TABLE {table}")
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            for name, statements in AS_OWNER.items():
                for statement in statements.replace("{event}", str(event)).split(";"):
                    owner.execute(statement)
                try:
                    check(exported(log), log)
                    missed.append(name)
                except Fault:
                    pass
                for table in reversed(tables):
                    owner.execute(f"DELETE FROM {table}")
                for table in tables:
                    owner.execute(f"INSERT INTO {table} SELECT * FROM baseline.kept_{table}")
            check(exported(log), log)
        finally:
            for table in tables:
                owner.execute(f"DROP TABLE baseline.kept_{table}")
                owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert missed == []


# ---- As an auditor runs it -------------------------------------------------------------------------------------------


def run(*arguments):
    """The file alone, by the interpreter alone: nothing of the product is imported."""
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout


@pytest.fixture
def export(log, tmp_path):
    write_log(30, 1, 20)
    path = tmp_path / "log.jsonl"
    call_command("export_log", "--to", str(path))
    return path


def test_an_auditor_verifies_the_export_with_one_file_and_openssl(log, export):
    code, said = run(export, "--checkpoints", log.LOG_ANCHOR_FILE)
    assert code == 0, said
    assert "The log is whole: 51 leaves under 3 signed checkpoints." in said
    assert Head.objects.latest("id").root.hex() in said
    assert "Checkpoints kept outside that are in it: 3." in said
    assert "The keys are the export's own." in said


def test_openssl_refuses_a_signature_of_something_else(log, export):
    lines = export.read_text().splitlines()
    heads = [place for place, line in enumerate(lines) if line.startswith('{"checkpoint"')]
    lines[heads[0]] = lines[heads[0]].replace("time 2026", "time 2025")
    export.write_text("\n".join(lines) + "\n")
    code, said = run(export)
    assert (code, said) == (1, "FAULT: the checkpoint of 30 leaves in epoch 1 has a signature that is wrong.\n")


def test_a_key_from_somewhere_else_does_not_verify(log, export, tmp_path):
    other = create_key_file(tmp_path / "other.json", now=NOW)
    code, said = run(export, "--key", verifier_key("log.example", other.public))
    assert code == 1
    assert "is not signed by a key that is trusted" in said


def test_a_new_key_is_trusted_because_the_old_one_signed_beside_it(log, export):
    first = json.loads(export.read_text().splitlines()[0])["keys"][0]
    rotate_log_key(now=NOW + timedelta(hours=1))
    record(EventKind.EXPORTED, now=NOW, body={})
    seal_events(now=NOW + timedelta(hours=1))
    call_command("export_log", "--to", str(export))
    code, said = run(export, "--key", first, "--checkpoints", log.LOG_ANCHOR_FILE)
    assert code == 0, said
    assert "52 leaves under 5 signed checkpoints" in said


def test_a_single_note_that_somebody_kept_is_compared_too(log, export, tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text(Head.objects.order_by("id")[1].note)
    code, said = run(export, "--checkpoints", kept)
    assert code == 0
    assert "Checkpoints kept outside that are in it: 1." in said


def test_a_file_that_is_not_there_is_no_verdict(tmp_path):
    assert run(tmp_path / "nothing.jsonl")[0] == 2
