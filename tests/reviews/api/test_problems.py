"""Every error on every path under /api is a problem (RFC 9457), whoever raises it."""

import json

import pytest
from django.test import Client as Browser

from tests.factories import ana
from tests.reviews.api.calling import Caller, problem

FAILING = "tests.reviews.api.failing_urls"


@pytest.mark.parametrize(
    "path", ["nowhere", "decisions/", "decisions/x/y/z", "", "tickets", "%00", "%ff", "a" * 3000, "../x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
def test_what_is_not_there_is_404(db, path, method):
    assert problem(Caller().call(method, path), 404)["instance"].startswith("/api/v1/")


def test_beside_the_version_nothing_is_there_either(db):
    for path in ("/api", "/api/", "/api/v2/decisions", "/api/v1"):
        response = Browser().get(path)
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_a_page_that_is_not_there_is_no_problem(db):
    assert "problem" not in Browser().get("/nowhere-at-all")["Content-Type"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_405_and_says_which_are_taken(agent, method):
    response = agent.call(method, "decisions")

    problem(response, 405)
    assert {"GET", "POST"} <= set(response["Allow"].split(", "))


def test_a_get_can_be_a_head(agent):
    response = agent.call("HEAD", "decisions")

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("bug", 500),
        ("away", 503),
        ("closed", 503),
        ("suspicious", 400),
        ("forbidden", 403),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "rest"])
def test_what_goes_wrong_inside_is_told_and_nothing_more(db, settings, kind, name, status):
    settings.ROOT_URLCONF = FAILING

    response = Caller().get(f"{kind}/{name}")

    told = json.dumps(problem(response, status))
    for secret in ("foresaw", "connection", "Traceback", "RuntimeError"):
        assert secret not in told
    assert response.get("Retry-After") == ("1" if status == 503 else None)


def test_what_only_the_database_notices_is_the_senders_to_put_right(db, settings):
    settings.ROOT_URLCONF = FAILING

    problem(Caller().get("rest/unfit"), 422)


def test_a_body_that_breaks_off_is_the_senders_to_send_again(db, settings):
    settings.ROOT_URLCONF = FAILING

    problem(Caller().get("rest/broken"), 400)


def test_a_page_that_fails_is_no_problem(db, settings):
    settings.ROOT_URLCONF = FAILING

    for name, status in (("bug", 500), ("away", 503)):
        response = Browser(raise_request_exception=False).get(f"/pages/{name}")
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("host", ["evil.example", "", "a b", "[::1", "\x7f"])
def test_a_host_that_is_not_ours_is_400(db, host):
    problem(Caller().get("decisions", Host=host), 400)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 13, "1.0", "0x10", "²"])
def test_a_length_that_is_none_is_411(agent, length):
    problem(agent.post("decisions", {}, Content_Length=length), 411, "length_required")


def test_a_body_in_chunks_is_411(agent):
    problem(agent.post("decisions", {}, Transfer_Encoding="chunked"), 411, "length_required")


@pytest.mark.parametrize(
    "path", ["decisions", "truth", "tickets/next", "pause", "decisions/018f0000-0000-7000-8000-000000000000/cancel"]
)
def test_a_body_past_the_limit_is_413_before_anybody_looks_who_sends_it(db, path):
    body = problem(Caller().post(path, b" " * (1024**2 + 1)), 413, "too_large")

    assert str(1024**2) in body["detail"]


def test_a_length_past_the_limit_is_413_before_the_body_is_read(db):
    problem(Caller().post("decisions", b"{}", Content_Length=str(10**9)), 413, "too_large")


@pytest.mark.parametrize("path", ["truth", "decisions/018f0000-0000-7000-8000-000000000000/cancel"])
def test_a_form_is_not_json(agent, path):
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "x"):
        problem(agent.call("POST", path, b"{}", content_type=content_type), 415)


def test_what_is_encoded_is_415(agent):
    problem(agent.post("truth", {}, Content_Encoding="gzip"), 415)


def test_a_form_of_thousands_of_fields_breaks_nothing(db):
    raw = b"&".join(b"a%d=1" % number for number in range(5_000))
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        response = Caller(user=ana()).call("POST", "tickets/next", raw, content_type=content_type)
        problem(response, response.status_code)
        assert response.status_code in (400, 415)


@pytest.mark.parametrize("cookie", ["sessionid=", "sessionid=\x00", "sessionid=" + "x" * 5000, "=;=;;", "csrftoken=é"])
def test_a_cookie_that_is_none_is_nobody(db, cookie):
    problem(Caller().get("tickets/018f0000-0000-7000-8000-000000000000", Cookie=cookie), 401)
