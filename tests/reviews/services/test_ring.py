"""A broker that is away or hangs must cost nobody more than a second, and nobody an error."""

import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery, current_app
from django.db import transaction
from prometheus_client import REGISTRY

from reviews.services import ring as module
from reviews.services.ring import ring

TASK = "reviews.tasks.nothing"


def lost() -> float:
    return REGISTRY.get_sample_value("countersign_bells_lost_total", {"task": TASK}) or 0.0


@pytest.fixture
def broker_at(monkeypatch):
    """Points the bell at another broker for one test."""

    def point(url: str) -> None:
        app = Celery("elsewhere", broker=url, set_as_current=False)
        app.conf.update(
            broker_transport_options=current_app.conf.broker_transport_options,
            task_publish_retry=current_app.conf.task_publish_retry,
        )
        monkeypatch.setattr(module, "current_app", app)
        monkeypatch.setattr(module, "_quiet_until", 0.0)

    return point


@pytest.mark.django_db(transaction=True)
def test_a_bell_rings_once_its_transaction_has_committed_and_not_before(broker_at):
    broker_at("memory://")
    module.current_app.amqp.queues.select_add("countersign")
    with module.current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue(module.current_app.conf.task_default_queue)
        with transaction.atomic():
            ring(TASK, "some-id")
            assert queue.qsize() == 0
        message = queue.get(timeout=1)
    assert message.headers["task"] == TASK
    assert message.headers["argsrepr"] == "('some-id',)"
    # A worker that was away long drops what the sweeper has rung for again since.
    left = datetime.fromisoformat(message.headers["expires"]) - datetime.now(tz=UTC)
    assert timedelta(0) < left <= timedelta(seconds=module.STALE_AFTER_SECONDS)


@pytest.mark.django_db(transaction=True)
def test_nothing_rings_for_a_transaction_that_was_rolled_back(broker_at):
    broker_at("redis+socket:///nowhere/redis.sock")
    before = lost()
    with transaction.atomic():
        ring(TASK)
        transaction.set_rollback(True)
    assert lost() == before


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_counted_and_swallowed(broker_at):
    broker_at("redis+socket:///nowhere/redis.sock")
    before = lost()
    ring(TASK)
    assert lost() == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_accepts_and_never_answers_costs_a_second_once(broker_at):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        broker_at(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        before, started = lost(), time.monotonic()
        ring(TASK)
        first = time.monotonic() - started
        threads = [threading.Thread(target=ring, args=(TASK,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert first < 1.5
        assert time.monotonic() - started < 2
    assert lost() == before + 5
