"""POST /api/v1/decisions."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.models import ClientKey, Decision, Ticket
from reviews.services.keys import revoke_key
from tests.factories import make_client, make_live_policy, make_workflow, proposal_body
from tests.reviews.api.calling import Caller, pointers, problem


def test_a_doubtful_decision_waits_for_a_person_and_says_why(agent):
    response = agent.post("decisions", proposal_body(external_id="refund-8841", confidence=0.62))

    assert response.status_code == 201
    answer = response.json()
    assert answer["status"] == "pending_review"
    assert answer["route"] == "review"
    assert answer["external_id"] == "refund-8841"
    assert answer["outcome"] is None
    (reason,) = answer["reasons"]
    assert (reason["code"], reason["limit"], reason["observed"]) == ("low_confidence", "0.85", "0.62")
    assert answer["ticket"]["group"] == "Support"
    assert Ticket.objects.get(pk=answer["ticket"]["id"]).decision_id == Decision.objects.get().pk
    assert answer["policy"]["version"] == 1
    assert answer["policy"]["digest"].startswith("sha256:")


def test_a_confident_decision_runs_at_once_with_its_payload(agent):
    answer = agent.post("decisions", proposal_body(confidence=0.95)).json()

    assert (answer["status"], answer["route"], answer["reasons"]) == ("approved", "auto", [])
    assert answer["ticket"] is None
    outcome = answer["outcome"]
    assert (outcome["kind"], outcome["method"], outcome["action"]) == ("approved", "auto", "refund_fee")
    assert outcome["payload"] == {"message": "Do you charge for topping up?", "amount": "12.00", "currency": "EUR"}
    assert outcome["payload_sha256"] == Decision.objects.get().payload_sha256


def test_the_same_request_again_is_answered_with_the_same_decision(agent):
    body = proposal_body()
    first = agent.post("decisions", body)
    second = agent.post("decisions", body)

    assert (first.status_code, second.status_code) == (201, 200)
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()
    assert Decision.objects.count() == 1


def test_a_replay_tells_the_status_as_of_now(agent):
    body = proposal_body()
    decision = agent.post("decisions", body).json()
    agent.post(f"decisions/{decision['id']}/cancel", {"reason": "Paid by hand."})

    assert agent.post("decisions", body).json()["status"] == "cancelled"


def test_another_body_under_the_same_external_id_is_told_which_stands(agent):
    first = agent.post("decisions", proposal_body(external_id="refund-1")).json()

    body = problem(agent.post("decisions", proposal_body(external_id="refund-1", confidence=0.7)), 409, "conflict")

    assert (body["decision"], body["which"]) == (first["id"], "external_id")


def test_another_body_under_the_same_key_is_told_which_stands(agent):
    first = agent.post("decisions", proposal_body(), Idempotency_Key="k-1").json()

    body = problem(agent.post("decisions", proposal_body(), Idempotency_Key="k-1"), 409, "conflict")

    assert (body["decision"], body["which"]) == (first["id"], "idempotency_key")


def test_a_refused_request_burns_no_key(agent):
    problem(agent.post("decisions", proposal_body(confidence=2), Idempotency_Key="k-1"), 422)

    assert agent.post("decisions", proposal_body(), Idempotency_Key="k-1").status_code == 201


@pytest.mark.parametrize("key", ["", "é", "k" * 256, " k", "a\tb"])
def test_an_idempotency_key_that_is_none_is_refused_by_its_name(agent, key):
    body = problem(agent.post("decisions", proposal_body(), Idempotency_Key=key), 422, "invalid")

    assert body["errors"][0]["header"] == "Idempotency-Key"
    assert "255" in body["detail"]


def test_two_clients_may_use_the_same_external_id(agent, other_agent):
    body = proposal_body()

    assert agent.post("decisions", body).status_code == 201
    assert other_agent.post("decisions", body).status_code == 201


def test_what_is_wrong_is_told_place_by_place_with_the_limits(agent):
    wrong = proposal_body(confidence=1.5, alternatives=[{"action": 3}], model={"name": "m"}, colour="red")

    body = problem(agent.post("decisions", wrong), 422, "invalid")

    assert set(pointers(body)) == {"/confidence", "/alternatives/0/action", "/model/version", "/colour"}
    assert "[0, 1]" in json.dumps(body)


@pytest.mark.parametrize("raw", [b" ", b"{", b"nope", b'{"a": NaN}', b"\xff\xfe", b"[1,]"])
def test_what_is_not_json_is_400(agent, raw):
    problem(agent.post("decisions", raw), 400, "not_json")


def test_an_unknown_workflow_and_one_of_others_are_told_alike(agent):
    make_workflow("refunds")

    unknown = problem(agent.post("decisions", proposal_body(workflow="nowhere")), 422)
    theirs = problem(agent.post("decisions", proposal_body(workflow="refunds")), 422)

    assert pointers(unknown) == pointers(theirs) == ["/workflow"]
    assert unknown["detail"].replace("nowhere", "") == theirs["detail"].replace("refunds", "")


def test_an_unknown_action_goes_to_a_person(agent):
    answer = agent.post("decisions", proposal_body(action="burn_it_down", confidence=0.99)).json()

    assert answer["route"] == "review"
    assert "unknown_action" in [reason["code"] for reason in answer["reasons"]]


def test_a_deadline_that_has_passed_is_refused(agent):
    over = (timezone.now() - timedelta(minutes=1)).isoformat()

    assert pointers(problem(agent.post("decisions", proposal_body(deadline=over)), 422)) == ["/deadline"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(agent, content_type):
    raw = json.dumps(proposal_body()).encode()

    problem(agent.call("POST", "decisions", raw, content_type=content_type), 415)


def test_a_content_type_with_a_charset_is_taken(agent):
    raw = json.dumps(proposal_body()).encode()

    response = agent.call("POST", "decisions", raw, content_type="application/json; charset=utf-8")

    assert response.status_code == 201


def test_a_content_encoding_is_refused(agent):
    body = problem(agent.post("decisions", proposal_body(), Content_Encoding="gzip"), 415)

    assert "Content-Encoding" in body["detail"]


def test_a_body_of_more_than_a_mebibyte_is_refused_with_the_limit(agent):
    body = problem(agent.post("decisions", proposal_body(reasoning="x" * 1024 * 1024)), 413, "too_large")

    assert str(1024 * 1024) in body["detail"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*;q=0"])
def test_the_answer_is_json_whatever_one_would_rather_have(agent, accept):
    response = agent.post("decisions", proposal_body(), Accept=accept)

    assert (response.status_code, response["Content-Type"]) == (201, "application/json")


def test_a_key_that_was_just_revoked_submits_nothing(support):
    client, key = make_client(now=timezone.now())
    agent = Caller(key=key)
    agent.post("decisions", proposal_body())  # Now the key is remembered.
    revoke_key(ClientKey.objects.get(client=client), now=timezone.now())

    problem(agent.post("decisions", proposal_body()), 401)
    assert Decision.objects.count() == 1


def test_a_client_that_was_just_switched_off_submits_nothing(agent, agents_client):
    agent.post("decisions", proposal_body())
    agents_client.active = False
    agents_client.save()

    problem(agent.post("decisions", proposal_body()), 401)
    assert Decision.objects.count() == 1


def test_a_key_that_was_just_seen_costs_no_query(agent, django_assert_num_queries):
    agent.post("decisions", proposal_body())  # The key's use is noted, and the workflow is remembered.

    with django_assert_num_queries(0):  # The one call that judges and writes goes past Django's cursor.
        assert agent.post("decisions", proposal_body()).status_code == 201


def test_a_pause_is_seen_at_once(agent, support):
    assert agent.post("decisions", proposal_body(confidence=0.95)).json()["route"] == "auto"
    support.paused = True
    support.save()

    answer = agent.post("decisions", proposal_body(confidence=0.95)).json()

    assert answer["route"] == "review"
    assert [reason["code"] for reason in answer["reasons"]] == ["paused"]


def test_a_new_policy_is_seen_at_once(agent, support):
    agent.post("decisions", proposal_body(confidence=0.9))
    make_live_policy(support, least_confidence="0.97", now=timezone.now())

    answer = agent.post("decisions", proposal_body(confidence=0.9)).json()

    assert (answer["route"], answer["policy"]["version"]) == ("review", 2)
