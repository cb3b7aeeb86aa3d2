"""Key files: made once, read by their owner only, rotated without losing what the old key signed."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from reviews.services.signing import (
    KeyFileError,
    KeyFileExists,
    KeyFileMissing,
    KeyFileOpen,
    KeyFileUnreadable,
    create_key_file,
    rotate_key_file,
    signing_keys,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "log.key"


def test_a_new_key_signs_and_verifies(path):
    made = create_key_file(path, now=NOW)
    (read,) = signing_keys(path)
    assert read == made
    signature = read.sign(b"a message")
    assert read.verifies(signature, b"a message")
    assert not read.verifies(signature, b"another message")


def test_the_file_is_its_owners_alone(path):
    create_key_file(path, now=NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_may_use_is_refused(path, mode):
    create_key_file(path, now=NOW)
    path.chmod(mode)
    with pytest.raises(KeyFileOpen, match=f"mode {mode:04o}"):
        signing_keys(path)


def test_a_key_file_is_never_made_twice(path):
    made = create_key_file(path, now=NOW)
    with pytest.raises(KeyFileExists):
        create_key_file(path, now=NOW)
    assert signing_keys(path) == (made,)


def test_a_missing_file_is_named(path):
    with pytest.raises(KeyFileMissing, match=r"log\.key"):
        signing_keys(path)


def test_after_a_rotation_the_old_key_still_verifies_and_no_longer_signs(path):
    old = create_key_file(path, now=NOW)
    signature = old.sign(b"signed before")
    new = rotate_key_file(path, now=NOW + timedelta(days=1))
    current, before = signing_keys(path)
    assert current == new
    assert before.kid == old.kid != new.kid
    assert before.verifies(signature, b"signed before")
    assert not current.verifies(signature, b"signed before")
    with pytest.raises(KeyFileError, match="no longer signs"):
        before.sign(b"anything")
    assert '"d"' in path.read_text()
    assert json.loads(path.read_text())["keys"][1].keys() == {"kty", "crv", "x", "kid", "alg", "use", "iat"}


def test_a_rotation_keeps_as_many_old_keys_as_it_is_told(path):
    create_key_file(path, now=NOW)
    for day in range(1, 4):
        rotate_key_file(path, now=NOW + timedelta(days=day))
    assert len(signing_keys(path)) == 4
    rotate_key_file(path, now=NOW + timedelta(days=5), keep=1)
    assert [key.made_at for key in signing_keys(path)] == [NOW + timedelta(days=5), NOW + timedelta(days=3)]


@pytest.mark.parametrize("damage", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA", "crv": "", "x": ""}]}', "[1]"])
def test_what_is_no_key_file_is_refused(path, damage):
    create_key_file(path, now=NOW)
    path.write_text(damage)
    with pytest.raises(KeyFileUnreadable):
        signing_keys(path)


def test_a_private_half_of_another_key_is_refused(path, tmp_path):
    create_key_file(path, now=NOW)
    create_key_file(tmp_path / "other.key", now=NOW)
    keys = json.loads(path.read_text())
    keys["keys"][0]["d"] = json.loads((tmp_path / "other.key").read_text())["keys"][0]["d"]
    path.write_text(json.dumps(keys))
    with pytest.raises(KeyFileUnreadable):
        signing_keys(path)


def test_another_library_reads_the_keys_and_knows_them_by_the_same_name(path):
    key = create_key_file(path, now=NOW)
    theirs = OKPKey.import_key(key.private_jwk())
    assert theirs.thumbprint() == key.kid
    token = jws.serialize_compact({"alg": "Ed25519"}, b"claims", theirs, algorithms=["Ed25519"])
    public = OKPKey.import_key(key.public_jwk())
    assert jws.deserialize_compact(token, public, algorithms=["Ed25519"]).payload == b"claims"
