"""Decisions as an upstream submits them."""

import json

import pytest

from reviews.domain.submission import parse_submission
from reviews.services.submit import submit_decision
from tests.factories import NOW, make_client, make_live_policy, proposal_body


def submission(**changes):
    return parse_submission(json.dumps(proposal_body(**changes)).encode())


def submitted(client, *, key=None, now=NOW, client_key=None, **changes):
    return submit_decision(client=client, submission=submission(**changes), key=key, now=now, client_key=client_key)


def codes(decision):
    return [reason["code"] for reason in decision.reasons]


@pytest.fixture
def upstream(db):
    """A client of `support`, where refund_fee runs alone from 0.85 upward."""
    make_live_policy()
    return make_client()[0]
