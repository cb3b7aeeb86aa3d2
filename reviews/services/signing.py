"""Ed25519 keys in files outside the database: of the audit log, and of permits.

A key file is a JSON Web Key Set (RFC 7517, RFC 8037), the key that signs first. Of the keys before it, only the public
half is kept, so that what they signed can still be checked. The file is its owner's alone (mode 0600), and a change is
a whole new file put in its place: whoever reads sees the old set or the new one.
"""

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.domain.canonical import canonical_bytes


class KeyFileError(RuntimeError):
    """A key file can't be used; the message says why, and what to do about it."""


class KeyFileMissing(KeyFileError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no key file {path}. `manage.py up` makes one; docs/operations.md says how to.")


class KeyFileExists(KeyFileError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already. To replace its key, keeping the old public half, rotate it.")


class KeyFileOpen(KeyFileError):
    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"{path} has mode {mode:04o}: others than its owner may use it. chmod 600 it, and rotate the key."
        )


class KeyFileUnreadable(KeyFileError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is no key file of ours: a JSON Web Key Set of Ed25519 keys, the first one private.")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key. `kid` is its RFC 7638 thumbprint; without `seed` (32 bytes) it only checks."""

    public: bytes  # 32 bytes
    made_at: datetime
    seed: bytes | None = field(default=None, repr=False)

    @property
    def kid(self) -> str:
        return _base64url(hashlib.sha256(canonical_bytes(self._required())).digest())

    def sign(self, message: bytes) -> bytes:
        """The signature of 64 bytes (RFC 8032). Raises KeyFileError for a key that was rotated away."""
        if self.seed is None:
            raise KeyFileError(f"Key {self.kid} no longer signs.")
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def public_jwk(self) -> dict[str, str]:
        """The public half as JWKS publishes it."""
        return {**self._required(), "kid": self.kid, "alg": "Ed25519", "use": "sig"}

    def private_jwk(self) -> dict[str, str]:
        """With `d`, for a library that signs by itself. Raises KeyFileError for a key that was rotated away."""
        if self.seed is None:
            raise KeyFileError(f"Key {self.kid} no longer signs.")
        return {**self.public_jwk(), "d": _base64url(self.seed)}

    def _required(self) -> dict[str, str]:
        return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(self.public)}


def signing_keys(path: Path) -> tuple[SigningKey, ...]:
    """The keys of a file, the one that signs first, then those before it, newest first.

    Read again only after the file has changed, so that a rotation reaches every process at once. Raises
    KeyFileMissing, KeyFileOpen, KeyFileUnreadable.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise KeyFileMissing(path) from None
    if status.st_mode & 0o077:
        raise KeyFileOpen(path, status.st_mode & 0o7777)
    return _read(path, (status.st_ino, status.st_mtime_ns, status.st_size))


def create_key_file(path: Path, *, now: datetime) -> SigningKey:
    """Make a file with one new key. Raises KeyFileExists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(path.parent):
        if path.exists():
            raise KeyFileExists(path)
        key = _new_key(now)
        _write(path, [key])
    return key


def rotate_key_file(path: Path, *, now: datetime, keep: int | None = None) -> SigningKey:
    """Put a new key first; of the one before, and of at most `keep` in all (None: of all), the public half stays.

    Raises KeyFileMissing, KeyFileOpen, KeyFileUnreadable.
    """
    with _alone_in(path.parent):
        before = signing_keys(path)
        key = _new_key(now)
        _write(path, [key, *before[:keep]])
    return key


def _new_key(now: datetime) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    made_at = now.astimezone(UTC).replace(microsecond=0)
    return SigningKey(public=private.public_key().public_bytes_raw(), made_at=made_at, seed=private.private_bytes_raw())


@lru_cache(maxsize=8)
def _read(path: Path, version: tuple[int, int, int]) -> tuple[SigningKey, ...]:
    try:
        keys = tuple(_key_of(item) for item in json.loads(path.read_text())["keys"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileUnreadable(path) from error
    if not keys or keys[0].seed is None:
        raise KeyFileUnreadable(path)
    return keys


def _key_of(item: dict[str, Any]) -> SigningKey:
    if (item["kty"], item["crv"]) != ("OKP", "Ed25519"):
        raise ValueError("not an Ed25519 key")
    seed = _bytes(item["d"]) if "d" in item else None
    public = _bytes(item["x"])
    if len(public) != 32 or (
        seed is not None and Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() != public
    ):
        raise ValueError("the halves of a key don't belong together")
    return SigningKey(public=public, made_at=datetime.fromtimestamp(item["iat"], UTC), seed=seed)


def _write(path: Path, keys: Sequence[SigningKey]) -> None:
    first, *before = keys
    items = [{**first.private_jwk(), "iat": int(first.made_at.timestamp())}]
    items += [{**key.public_jwk(), "iat": int(key.made_at.timestamp())} for key in before]
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": items}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """One writer at a time in a directory that exists."""
    if not directory.is_dir():
        raise KeyFileMissing(directory)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
