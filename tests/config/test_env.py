import json
import os
import subprocess
import sys

import pytest

from config import env


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch, tmp_path):
    monkeypatch.setenv("VAR_DIR", str(tmp_path))


def test_a_missing_setting_is_named(monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(env.SettingMissing, match="SECRET_KEY is not set"):
        env.text("SECRET_KEY")


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (lambda: env.whole("A_SETTING", 1), "many"),
        (lambda: env.whole("A_SETTING", 1, least=1), "0"),
        (lambda: env.flag("A_SETTING", default=False), "perhaps"),
        (lambda: env.number("A_SETTING", "0.3"), "NaN"),
        (lambda: env.number("A_SETTING", "0.3"), "-1"),
        (lambda: env.database("A_SETTING"), "host=somewhere"),
        (lambda: env.database("A_SETTING"), "http://example.org"),
        (lambda: env.mail("A_SETTING"), "mail.example.org"),
        (lambda: env.mail("A_SETTING"), "smtp://example.org:many"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(monkeypatch, reader, value):
    monkeypatch.setenv("A_SETTING", value)
    with pytest.raises(env.SettingUnreadable, match="A_SETTING"):
        reader()


def test_values_are_read_by_their_type(monkeypatch):
    monkeypatch.setenv("A_SETTING", "yes")
    assert env.flag("A_SETTING", default=False) is True
    monkeypatch.setenv("A_SETTING", "0.25")
    assert env.number("A_SETTING", "1") == 0.25
    monkeypatch.setenv("A_SETTING", " a, ,b ")
    assert env.words("A_SETTING") == ["a", "b"]
    monkeypatch.setenv("A_SETTING", "postgresql://ana:s%40cret@db.example:5433/desk?sslmode=require")
    assert env.database("A_SETTING") == {
        "user": "ana",
        "password": "s@cret",
        "host": "db.example",
        "port": "5433",
        "dbname": "desk",
        "sslmode": "require",
    }


def test_commands_beside_a_running_console_find_its_servers(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    (tmp_path / "embedded.json").write_text(json.dumps({"DATABASE_URL": "one", "DATABASE_OWNER_URL": "other"}))
    assert env.text("DATABASE_URL") == "one"


def test_the_owner_of_the_embedded_database_is_never_paired_with_another_database(monkeypatch, tmp_path):
    (tmp_path / "embedded.json").write_text(json.dumps({"DATABASE_URL": "one", "DATABASE_OWNER_URL": "other"}))
    monkeypatch.setenv("DATABASE_URL", "elsewhere")
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    assert not env.given("DATABASE_OWNER_URL")


def check_deploy(**environment):
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--tag", "database"],
        cwd=env.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_deployment_whose_application_owns_its_tables_is_refused():
    owner = os.environ["DATABASE_OWNER_URL"]
    refused = check_deploy(DATABASE_URL=owner, DATABASE_OWNER_URL=owner)
    assert refused.returncode != 0
    assert "countersign.E001" in refused.stderr
    assert check_deploy().returncode == 0


def test_the_settings_name_what_is_missing():
    bare = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DATABASE_OWNER_URL"}}
    found = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=env.BASE_DIR,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode != 0
    assert "SECRET_KEY is not set" in found.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}),
        ("console:", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
        (
            "file:///var/a%20mail",
            {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": "/var/a mail"},
        ),
        (
            "smtp://ada%40example.org:p%2Fw@mail.example.org",
            {
                "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "EMAIL_HOST": "mail.example.org",
                "EMAIL_PORT": 587,
                "EMAIL_HOST_USER": "ada@example.org",
                "EMAIL_HOST_PASSWORD": "p/w",
                "EMAIL_USE_SSL": False,
                "EMAIL_USE_TLS": True,
            },
        ),
    ],
)
def test_where_mail_goes_is_one_address(monkeypatch, url, expected):
    monkeypatch.setenv("A_SETTING", url)
    assert env.mail("A_SETTING") == expected


@pytest.mark.parametrize(
    ("url", "port", "from_the_first_byte", "later"),
    [
        ("smtps://mail.example.org", 465, True, False),
        ("smtp://localhost:25?tls=0", 25, False, False),
        ("smtp://localhost:2525", 2525, False, True),
    ],
)
def test_mail_is_encrypted_unless_it_is_said_not_to_be(monkeypatch, url, port, from_the_first_byte, later):
    monkeypatch.setenv("A_SETTING", url)
    found = env.mail("A_SETTING")
    assert (found["EMAIL_PORT"], found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]) == (port, from_the_first_byte, later)
