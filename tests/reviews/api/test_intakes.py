"""POST /api/v1/decisions/batch, POST /api/v1/decisions with Prefer: respond-async, and GET /api/v1/intakes/{id}."""

import json

import pytest
from django.utils import timezone

from reviews.models import Client, Decision, Intake, IntakeLine
from reviews.services.ingest import ingest_intake
from tests.factories import proposal_body
from tests.reviews.api.calling import Caller, problem

NDJSON = "application/x-ndjson"
NEVER = "018f0000-0000-7000-8000-000000000000"


def post_batch(caller: Caller, *lines: object, **headers: str):
    raw = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return caller.call("POST", "decisions/batch", raw, content_type=NDJSON, **headers)


def take_in(response) -> str:
    """Do the worker's part; the intake's id."""
    assert response.status_code == 202, response.content
    intake_id = response.json()["intake"]
    ingest_intake(intake_id, now=timezone.now())
    return intake_id


# ---- One, answered later --------------------------------------------------------------------------------------------


def test_who_does_not_want_to_wait_is_answered_at_once(agent):
    response = agent.post("decisions", proposal_body(), Prefer="respond-async, wait=5")

    assert response.status_code == 202
    told = response.json()
    assert told["status"] == "received"
    assert response["Location"] == f"/api/v1/intakes/{told['intake']}"
    assert response["Preference-Applied"] == "respond-async"
    assert not Decision.objects.exists()
    assert IntakeLine.objects.get().decision_id == Intake.objects.get().lines.get().decision_id


def test_its_id_can_be_followed_from_the_first_moment(agent):
    response = agent.post("decisions", proposal_body(confidence=0.95), Prefer="respond-async")
    path = f"decisions/{response.json()['id']}"

    assert agent.get(path).json() == response.json()
    take_in(response)

    answer = agent.get(path).json()
    assert (answer["id"], answer["status"]) == (response.json()["id"], "approved")


def test_one_that_stands_already_is_followed_to_where_it_stands(agent):
    body = proposal_body()
    standing = agent.post("decisions", body).json()
    response = agent.post("decisions", body, Prefer="respond-async")
    take_in(response)

    assert agent.get(f"decisions/{response.json()['id']}").json()["id"] == standing["id"]


def test_one_that_was_refused_says_where_to_read_why(agent):
    response = agent.post("decisions", proposal_body(confidence=7), Prefer="respond-async")
    intake_id = take_in(response)

    body = problem(agent.get(f"decisions/{response.json()['id']}"), 404, "refused")

    assert intake_id in body["detail"]
    (line,) = agent.get(f"intakes/{intake_id}").json()["lines"]
    assert (line["state"], line["result"]["status"]) == ("refused", 422)
    assert line["result"]["errors"][0]["pointer"] == "/confidence"


def test_the_same_under_the_same_key_is_the_same_intake(agent):
    body = proposal_body()
    first = agent.post("decisions", body, Prefer="respond-async", Idempotency_Key="k-1").json()
    again = agent.post("decisions", body, Prefer="respond-async", Idempotency_Key="k-1").json()
    other = agent.post("decisions", proposal_body(), Prefer="respond-async", Idempotency_Key="k-1")

    assert first == again
    assert problem(other, 409, "conflict")["intake"] == first["intake"]


def test_another_preference_changes_nothing(agent):
    assert agent.post("decisions", proposal_body(), Prefer="return=minimal").status_code == 201


# ---- Many -----------------------------------------------------------------------------------------------------------


def test_a_batch_is_kept_and_then_taken_in_line_by_line(agent):
    low, high = proposal_body(), proposal_body(confidence=0.95)

    response = post_batch(agent, low, high)
    assert response.json()["lines_total"] == 2
    intake_id = take_in(response)

    told = agent.get(f"intakes/{intake_id}").json()
    assert (told["kind"], told["lines_total"], told["lines_done"], told["next_after"]) == ("batch", 2, 2, None)
    assert told["finished_at"]
    assert [(line["number"], line["state"]) for line in told["lines"]] == [(1, "created"), (2, "created")]
    assert [line["result"]["route"] for line in told["lines"]] == ["review", "auto"]
    assert [line["decision"] for line in told["lines"]] == [
        str(Decision.objects.get(external_id=body["external_id"]).id) for body in (low, high)
    ]


def test_a_bad_line_hurts_no_other(agent):
    good = proposal_body()

    intake_id = take_in(
        post_batch(agent, b"{", good, {**good, "colour": "red"}, b"", proposal_body(workflow="x"), b"\x00")
    )

    lines = agent.get(f"intakes/{intake_id}").json()["lines"]
    assert [(line["number"], line["state"]) for line in lines] == [
        (1, "refused"),
        (2, "created"),
        (3, "refused"),
        (5, "refused"),
        (6, "refused"),
    ]
    assert [line["result"].get("status") for line in lines] == [400, "pending_review", 422, 422, 400]


def test_a_line_past_the_limit_is_refused_alone_and_with_the_limit(agent, settings):
    settings.API_MAX_BODY_BYTES = 3_000
    long = proposal_body(reasoning="x" * 2 * 1024 * 1024)

    intake_id = take_in(post_batch(agent, long, proposal_body()))

    first, second = agent.get(f"intakes/{intake_id}").json()["lines"]
    assert (first["state"], second["state"]) == ("refused", "created")
    assert "3,000" in first["result"]["detail"]


def test_the_same_batch_again_creates_nothing_twice(agent):
    bodies = [proposal_body() for _ in range(3)]
    take_in(post_batch(agent, *bodies))
    again = take_in(post_batch(agent, *bodies))

    assert Decision.objects.count() == 3
    assert {line["state"] for line in agent.get(f"intakes/{again}").json()["lines"]} == {"replayed"}


def test_line_ends_of_either_kind_are_taken(agent):
    raw = b"\r\n".join(json.dumps(proposal_body()).encode() for _ in range(2)) + b"\r\n"

    response = agent.call("POST", "decisions/batch", raw, content_type=NDJSON)

    assert response.json()["lines_total"] == 2


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"  \r\n"])
def test_a_batch_of_nothing_is_refused(agent, raw):
    problem(agent.call("POST", "decisions/batch", raw or b"\n", content_type=NDJSON), 422)


def test_a_batch_of_too_many_lines_is_refused_with_the_limit(agent):
    body = problem(agent.call("POST", "decisions/batch", b"1\n" * 50_001, content_type=NDJSON), 422)

    assert "50,000" in body["detail"]
    assert not Intake.objects.exists()


def test_a_batch_past_64_mebibytes_is_refused_with_the_limit(agent):
    response = agent.call("POST", "decisions/batch", b"1\n", content_type=NDJSON, Content_Length=str(64 * 1024**2 + 1))

    assert str(64 * 1024**2) in problem(response, 413, "too_large")["detail"]


def test_a_batch_is_lines_and_nothing_else(agent):
    problem(agent.post("decisions/batch", [proposal_body()]), 415)


def test_a_batch_goes_past_no_key(agent):
    response = post_batch(agent, proposal_body(), proposal_body())
    Client.objects.update(active=False)

    ingest_intake(response.json()["intake"], now=timezone.now())

    assert not Decision.objects.exists()


# ---- How far it is --------------------------------------------------------------------------------------------------


def test_lines_come_in_pages(agent):
    intake_id = take_in(post_batch(agent, *[proposal_body() for _ in range(5)]))

    first = agent.get(f"intakes/{intake_id}?limit=3").json()
    second = agent.get(f"intakes/{intake_id}?limit=3&after={first['next_after']}").json()

    assert [line["number"] for line in first["lines"] + second["lines"]] == [1, 2, 3, 4, 5]
    assert second["next_after"] is None
    assert agent.get(f"intakes/{intake_id}?limit=0").json()["lines"] == []


def test_an_intake_is_its_clients_own(agent, other_agent):
    intake_id = post_batch(agent, proposal_body()).json()["intake"]

    problem(other_agent.get(f"intakes/{intake_id}"), 404)
    problem(other_agent.get(f"intakes/{NEVER}"), 404)


@pytest.mark.parametrize(("name", "value"), [("after", "-1"), ("after", "x"), ("after", "9" * 12), ("limit", "1001")])
def test_a_parameter_that_is_none_is_refused_by_its_name(agent, name, value):
    body = problem(agent.get(f"intakes/{NEVER}?{name}={value}"), 422)

    assert body["errors"][0]["parameter"] == name
