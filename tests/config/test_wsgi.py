"""The two handlers: which requests pass through what."""

import json

import pytest
from django.conf import settings
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import RequestFactory

from config import wsgi
from tests.factories import ana, make_client, make_live_policy, proposal_body

pytestmark = pytest.mark.django_db


def asked(method, path, **headers):
    """Status, headers and body of what the whole of config/wsgi.py answers."""
    given = {}

    def start_response(status, fields):
        given["status"] = int(status.split()[0])
        given["fields"] = dict(fields)

    body = headers.pop("body", b"")
    request = RequestFactory().generic(method, path, body, content_type="application/json", headers=headers)
    # The start of a request closes old connections: not that of the test's transaction.
    request_started.disconnect(close_old_connections)
    try:
        response = wsgi.application(request.environ, start_response)
    finally:
        request_started.connect(close_old_connections)
    return given["status"], given["fields"], b"".join(response)


@pytest.fixture
def bearer():
    make_live_policy()
    return f"Bearer {make_client()[1]}"


def test_a_submission_by_key_needs_no_session_and_sets_no_cookie(bearer):
    status, fields, body = asked(
        "POST", "/api/v1/decisions", body=json.dumps(proposal_body()).encode(), Authorization=bearer
    )
    assert (status, json.loads(body)["status"]) == (201, "pending_review")
    assert "Set-Cookie" not in fields
    assert fields["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/decisions", "/api/v1/tickets/next"])
def test_what_is_refused_to_a_key_is_a_problem_as_everywhere_under_the_api(bearer, path):
    status, fields, body = asked("DELETE", path, Authorization=bearer)
    assert status in (403, 404, 405)
    assert fields["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_a_body_that_is_too_long_is_refused_to_a_key_as_well(bearer):
    status, _, body = asked("POST", "/api/v1/decisions", body=b" " * 1_100_000, Authorization=bearer)
    assert status == 413
    assert "1048576" in json.loads(body)["detail"]


def test_a_key_opens_no_page_and_a_session_counts_for_nothing_beside_a_key(bearer, client):
    status, fields, _ = asked("GET", "/", Authorization=bearer)
    assert (status, fields["Location"]) == (302, "/login/?next=/")
    client.force_login(ana())
    cookie = f"sessionid={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    status, _, _ = asked("POST", "/api/v1/tickets/next", Cookie=cookie, Authorization=bearer)
    assert status == 403


def test_who_brings_no_key_passes_through_everything(client):
    _, fields, _ = asked("GET", "/login/")
    assert "default-src 'none'" in fields["Content-Security-Policy"]


def test_two_submissions_are_told_apart_though_their_path_is_looked_up_once(bearer):
    for external_id in ("first", "second"):
        sent = json.dumps({**proposal_body(), "external_id": external_id}).encode()
        status, _, body = asked("POST", "/api/v1/decisions", body=sent, Authorization=bearer)
        assert (status, json.loads(body)["external_id"]) == (201, external_id)
    status, _, body = asked("GET", f"/api/v1/decisions/{json.loads(body)['id']}", Authorization=bearer)
    assert (status, json.loads(body)["external_id"]) == (200, "second")
