from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from reviews.models import Heartbeat


def test_alive_says_nothing_of_the_database(client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_ready_names_each_process_and_how_late_it_is(client):
    now = datetime.now(tz=UTC)
    Heartbeat.objects.create(name="sweeper", beat_at=now)
    Heartbeat.objects.create(name="worker", beat_at=now - timedelta(minutes=5))
    Heartbeat.objects.create(name="evidence:support", beat_at=now)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    states = {name: process["state"] for name, process in answer.json()["processes"].items()}
    assert states == {"sweeper": "ok", "worker": "late"}


@pytest.mark.django_db
def test_without_a_database_it_is_not_ready(client):
    def refuse(execute, *arguments):
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "no answer"


def test_metrics_are_for_this_machine_unless_there_is_a_token(client, settings):
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 404
    assert b"python_info" in client.get("/metrics", REMOTE_ADDR="127.0.0.1").content
    settings.METRICS_TOKEN = "a-token"
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer a-token"}).status_code == 200


def test_every_page_carries_the_strict_policy(client):
    policy = client.get("/healthz").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
