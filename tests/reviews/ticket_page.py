"""The page of a ticket as a browser with htmx uses it, by Ana, under a policy with three actions."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from policies.domain.vocabulary import Reversibility
from reviews.services.claim import claim_ticket
from tests import factories as make

HX = {"HX-Request": "true", "HX-Target": "ticket"}
# Long enough ago for a verdict to have been read, soon enough for a claim to hold.
READ = timedelta(seconds=20)


@pytest.fixture
def now():
    return timezone.now() - READ


@pytest.fixture
def policy(now):
    workflow = make.make_workflow()
    make.make_action(workflow, "refund_fee", layout={"/message": "message"})
    make.make_action(
        workflow,
        "trace_top_up",
        payload_schema={
            "type": "object",
            "properties": {"message": {"type": "string"}, "card": {"type": "string", "minLength": 4}},
            "required": ["message", "card"],
            "additionalProperties": False,
        },
    )
    make.make_action(workflow, "send_letter", reversibility=Reversibility.IRREVERSIBLE)
    return make.make_live_policy(workflow, now=now)


@pytest.fixture
def as_ana(client):
    client.force_login(make.ana())
    return client


def opened(client, ticket, *, at):
    """Claim the ticket for Ana as of `at`, and read the hidden fields of its page."""
    claim_ticket(ticket.pk, reviewer=make.ana(), now=at)
    return hidden_fields(client, ticket)


def hidden_fields(client, ticket, query=""):
    page = client.get(f"/tickets/{ticket.pk}/{query}").content.decode()
    names = ("version", "claim_epoch", "shown_sha256", "request_key")
    return {name: re.search(rf'name="{name}" value="([^"]+)"', page)[1] for name in names}


def post(client, ticket, act, data, **headers):
    return client.post(f"/tickets/{ticket.pk}/{act}", data, headers=headers or HX)
