"""Support's world, now: a live policy by which 0.95 runs alone and 0.62 doesn't, one upstream."""

from pathlib import Path

import pytest
from django.utils import timezone

from reviews.models import Client
from reviews.services.signing import create_key_file
from tests.factories import make_action, make_client, make_live_policy, make_workflow
from tests.reviews.api.calling import Caller


@pytest.fixture
def permit_key(settings, tmp_path) -> Path:
    """A key that signs permits."""
    settings.PERMIT_KEY_FILE = tmp_path / "keys" / "permits.json"
    create_key_file(settings.PERMIT_KEY_FILE, now=timezone.now())
    return settings.PERMIT_KEY_FILE


@pytest.fixture
def support(db, settings, permit_key):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0  # Nobody waits to have read a ticket.
    workflow = make_workflow()
    make_action(workflow)
    make_action(workflow, "trace_top_up")
    make_live_policy(workflow, now=timezone.now())
    return workflow


@pytest.fixture
def agent(support) -> Caller:
    """Support's upstream, with its key."""
    return Caller(key=make_client(now=timezone.now())[1])


@pytest.fixture
def agents_client(agent) -> Client:
    return Client.objects.get(name="Support agent")


@pytest.fixture
def other_agent(support) -> Caller:
    """Another upstream of the same workflow."""
    return Caller(key=make_client("Other agent", now=timezone.now())[1])
