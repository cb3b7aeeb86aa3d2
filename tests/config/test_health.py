import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from reviews.models import Delivery, Endpoint, Heartbeat
from tests.factories import ana, gate_of, make_client, make_live_policy, submit_one
from tests.reviewing import decide

DOCS = Path(__file__).resolve().parents[2] / "docs"


def metrics_of(client) -> dict[str, float]:
    """By name, with the label's value behind it where there is one."""
    text = client.get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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


@pytest.mark.django_db
def test_metrics_are_for_this_machine_unless_there_is_a_token(client, settings):
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 404
    assert b"python_info" in client.get("/metrics", REMOTE_ADDR="127.0.0.1").content
    settings.METRICS_TOKEN = "a-token"
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer a-token"}).status_code == 200


@pytest.mark.django_db
def test_metrics_say_what_waits_and_since_when(client):
    now = timezone.now()
    make_live_policy(now=now)
    agent, _ = make_client(now=now)
    Endpoint.objects.create(client=agent, url="https://receiver.example.org/", secret="whsec_bmV3LXNlY3JldA==")
    Heartbeat.objects.create(name="worker", beat_at=now - timedelta(minutes=2))
    submit_one(client=agent, now=now - timedelta(minutes=10), confidence=0.5)
    decided = submit_one(client=agent, now=now, confidence=0.5)
    decide(gate_of(decided), ana(), now=now)

    found = metrics_of(client)

    assert found["countersign_database_up"] == 1
    assert found["countersign_tickets_waiting Support"] == 1
    assert 600 <= found["countersign_ticket_oldest_seconds Support"] < 700
    assert found["countersign_deliveries_waiting"] == Delivery.objects.count() == 2
    assert 600 <= found["countersign_deliveries_due_seconds"] < 700
    assert 120 <= found["countersign_heartbeat_age_seconds worker"] < 200
    assert found["countersign_evidence_age_seconds support"] < 60
    assert 600 <= found["countersign_unsealed_oldest_seconds"] < 700
    assert (found["countersign_paused support"], found["countersign_alarms_open drift"]) == (0, 0)


@pytest.mark.django_db
def test_metrics_of_an_idle_console_take_a_fixed_number_of_queries(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(11):
        found = metrics_of(client)
    assert found["countersign_deliveries_due_seconds"] == found["countersign_intakes_waiting"] == 0


@pytest.mark.django_db
def test_without_a_database_metrics_say_so(client):
    def refuse(execute, *arguments):
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        assert metrics_of(client)["countersign_database_up"] == 0


@pytest.mark.django_db
def test_every_metric_of_ours_is_in_the_runbook(client):
    ours = {name.split()[0].removesuffix("_created") for name in metrics_of(client) if name.startswith("countersign_")}
    written = set(re.findall(r"^\| `(countersign_[a-z_]+)", (DOCS / "operations.md").read_text(), re.MULTILINE))
    assert ours - written == set(), "not documented"


def test_every_page_carries_the_strict_policy(client):
    policy = client.get("/healthz").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
