"""Typed reading of the environment: the only way a setting comes in.

A value that is missing or can't be read stops the start with the variable's name. While `manage.py up` runs an
embedded database, it remembers where the servers are in `VAR_DIR/embedded.json`, so that a command typed beside it
finds them; a variable that is set always wins over that file.
"""

import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

BASE_DIR = Path(__file__).resolve().parent.parent
DATABASE_VARIABLES = ("DATABASE_URL", "DATABASE_OWNER_URL")


class SettingMissing(ImproperlyConfigured):
    """A variable without a default is not set."""


class SettingUnreadable(ImproperlyConfigured):
    """A variable is set to something that its type can't read."""


def var_dir() -> Path:
    """Where the first run keeps its database, secrets and demo.json: VAR_DIR, else var/ in the project."""
    return (BASE_DIR / os.environ.get("VAR_DIR", "var")).resolve()


def remembered() -> dict[str, str]:
    """What `manage.py up` wrote down for commands beside it; never half a pair of database addresses."""
    try:
        values: dict[str, str] = json.loads((var_dir() / "embedded.json").read_text())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    if any(name in os.environ for name in DATABASE_VARIABLES):
        values = {name: value for name, value in values.items() if name not in DATABASE_VARIABLES}
    return values


def given(name: str) -> bool:
    return bool(os.environ.get(name) or remembered().get(name))


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name) or remembered().get(name) or default
    if value is None:
        raise SettingMissing(f"{name} is not set. See docs/operations.md; `make run` needs none of them.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas; empty items are dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, *, default: bool) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SettingUnreadable(f"{name} is {value!r}, and must be 1 or 0.")


def whole(name: str, default: int, *, least: int = 0) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise SettingUnreadable(f"{name} is {value!r}, and must be a whole number.") from None
    if number < least:
        raise SettingUnreadable(f"{name} is {number}, and must be at least {least}.")
    return number


def number(name: str, default: str) -> float:
    """A decimal number of 0 or more."""
    value = text(name, default)
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        raise SettingUnreadable(f"{name} is {value!r}, and must be a number.") from None
    if not parsed.is_finite() or parsed < 0:
        raise SettingUnreadable(f"{name} is {value!r}, and must be a number of 0 or more.")
    return float(parsed)


def path(name: str, default: Path) -> Path | None:
    """A file; None where the variable is "-"."""
    value = text(name, str(default))
    return None if value == "-" else Path(value)


def mail(name: str) -> dict[str, Any]:
    """Where e-mail goes, as Django's settings EMAIL_…: nowhere, unless the variable is set.

    `smtp://user:password@host:587` speaks TLS once it is connected (with `?tls=0`, never), `smtps://` from the first
    byte; `file:///directory` keeps each message as a file, `console:` prints it.
    """
    value = text(name, "")
    backend = "django.core.mail.backends.{}.EmailBackend"
    if not value:
        return {"EMAIL_BACKEND": backend.format("dummy")}
    parts = urlsplit(value)
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": backend.format("console")}
    if parts.scheme == "file" and parts.path:
        return {"EMAIL_BACKEND": backend.format("filebased"), "EMAIL_FILE_PATH": unquote(parts.path)}
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise SettingUnreadable(f"{name} must start with smtp://host, smtps://host, file:///directory or console:.")
    try:
        port = parts.port
    except ValueError:
        raise SettingUnreadable(f"{name} names a port that is no number.") from None
    encrypted = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": backend.format("smtp"),
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if encrypted else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": encrypted,
        "EMAIL_USE_TLS": not encrypted and parts.query != "tls=0",
    }


def database(name: str) -> dict[str, str]:
    """A PostgreSQL address, as libpq reads it, by its parts (user, password, host, port, dbname and options)."""
    try:
        parts = conninfo_to_dict(text(name))
    except ProgrammingError as error:
        raise SettingUnreadable(f"{name} is no PostgreSQL address: {error}") from None
    if not parts.get("dbname") or not parts.get("user"):
        raise SettingUnreadable(f"{name} must name a user and a database: postgresql://user:password@host/database")
    return {key: str(value) for key, value in parts.items() if value is not None}
