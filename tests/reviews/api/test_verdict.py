"""POST /api/v1/tickets/{id}/verdict, and the order in which it refuses."""

import itertools
from typing import Any

import pytest
from django.utils import timezone

from reviews.models import Outcome, Ticket, Verdict
from reviews.services.keys import issue_key
from tests.factories import ADMINS, ana, ben, eve, gate_of, make_live_policy, make_user, submit_one
from tests.reviews.api.calling import Caller, pointers, problem

_keys = itertools.count(1)
NEVER = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def ticket(agents_client) -> Ticket:
    return gate_of(submit_one(client=agents_client, now=timezone.now()))


@pytest.fixture
def shown(ticket) -> dict[str, Any]:
    """The ticket in Ana's hands."""
    taken: dict[str, Any] = Caller(user=ana()).post(f"tickets/{ticket.id}/claim").json()
    return taken


def answer(shown: dict[str, Any], kind: str = "approve", **changes: Any) -> dict[str, Any]:
    """What a page shown just now would send; a change to None leaves a field out."""
    body = {
        "kind": kind,
        "epoch": shown["claim"]["epoch"] if shown["claim"] else 1,
        "shown_sha256": shown["shown_sha256"],
        "request_key": f"answer-{next(_keys)}",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def give(user, shown: dict[str, Any], body: dict[str, Any], *, version: int | None = None):
    tag = f'"{shown["version"] if version is None else version}"'
    return Caller(user=user).post(f"tickets/{shown['id']}/verdict", body, If_Match=tag)


# ---- What is taken --------------------------------------------------------------------------------------------------


def test_an_approval_is_kept_and_held(shown):
    response = give(ana(), shown, answer(shown, note="Seems right.", reasoning_rating=4))

    assert response.status_code == 200
    verdict = Verdict.objects.get()
    told = response.json()
    assert (told["id"], told["kind"], told["action"]) == (str(verdict.id), "approve", "refund_fee")
    assert (verdict.reviewer, verdict.note, verdict.reasoning_rating) == (ana(), "Seems right.", 4)
    assert told["effective_at"] > told["decided_at"]
    assert not Outcome.objects.exists()


def test_a_rejection_gives_its_reason(shown):
    assert give(ana(), shown, answer(shown, "reject", reason_code="wrong_facts")).status_code == 200
    assert Verdict.objects.get().reason_code == "wrong_facts"


def test_an_edit_sends_the_whole_payload_that_is_to_run(shown):
    payload = {**shown["proposal"]["payload"], "amount": "9.50"}

    told = give(ana(), shown, answer(shown, "edit", payload=payload, material=True)).json()

    assert Verdict.objects.get().payload == payload
    assert told["payload_sha256"] != shown["proposal"]["payload_sha256"]


def test_an_override_sends_another_action_with_its_payload(shown):
    body = answer(shown, "override", action="trace_top_up", payload={"amount": "1.00"}, reason_code="wrong_action")

    assert give(ana(), shown, body).status_code == 200
    assert (Verdict.objects.get().action, Verdict.objects.get().payload) == ("trace_top_up", {"amount": "1.00"})


def test_a_resend_under_its_own_key_gets_the_stored_verdict(shown):
    body = answer(shown)
    first = give(ana(), shown, body)

    again = give(ana(), shown, body)
    with_another_version = give(ana(), shown, {**body, "kind": "reject", "reason_code": "other"}, version=99)

    assert first.json() == again.json() == with_another_version.json()
    assert Verdict.objects.count() == 1


# ---- What is refused, in order --------------------------------------------------------------------------------------


def test_first_of_all_one_must_see_the_ticket(shown):
    path = f"tickets/{shown['id']}/verdict"

    problem(Caller(user=eve()).post(path, answer(shown)), 404)  # Before the missing If-Match.
    problem(Caller(user=ana()).post(f"tickets/{NEVER}/verdict", answer(shown)), 404)


@pytest.mark.parametrize("headers", [{}, {"If_Match": "*"}])
def test_then_the_version_must_be_there(shown, headers):
    give(ana(), shown, answer(shown))

    # Before "decided already", and before the body is looked at.
    body = problem(Caller(user=ben()).post(f"tickets/{shown['id']}/verdict", {}, **headers), 428, "version_missing")

    assert body["errors"][0]["header"] == "If-Match"


def test_then_comes_the_resend_though_the_ticket_is_decided(shown):
    body = answer(shown)
    give(ana(), shown, body)

    assert give(ana(), shown, body, version=1).status_code == 200


def test_then_what_is_decided_says_by_whom_and_when(shown):
    told = give(ana(), shown, answer(shown)).json()

    body = problem(give(ben(), shown, answer(shown), version=1), 409, "already_decided")

    assert (body["by"], body["at"]) == ("Ana", told["decided_at"])


def test_then_what_others_hold_says_whose_it_is(shown):
    body = problem(give(ben(), shown, answer(shown, epoch=77), version=1), 409, "held")

    assert (body["by"], body["until"]) == ("Ana", shown["claim"]["until"])


def test_then_one_must_hold_it(ticket):
    shown = Caller(user=ana()).get(f"tickets/{ticket.id}").json()

    problem(give(ana(), shown, answer(shown), version=99), 409, "claim_lost")


def test_and_under_this_epoch(shown):
    problem(give(ana(), shown, answer(shown, epoch=9), version=99), 409, "claim_lost")


def test_then_the_version_must_be_the_one_that_was_shown(shown):
    problem(give(ana(), shown, answer(shown, "edit"), version=99), 412, "stale")


def test_and_what_was_shown_must_be_what_is_there(shown):
    problem(give(ana(), shown, answer(shown, shown_sha256="0" * 64)), 412, "stale")


def test_then_the_answer_must_be_one(shown):
    body = problem(give(ana(), shown, answer(shown, "reject")), 422, "invalid")

    assert pointers(body) == ["/reason_code"]


def test_a_verdict_sooner_than_anybody_can_read_is_refused(shown, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 60

    problem(give(ana(), shown, answer(shown)), 409, "too_soon")


def test_two_deliberate_acts_are_not_one(support, agents_client):
    make_live_policy(support, largest_amount="50", currency="EUR", deliberate_acts=2, now=timezone.now())
    decision = submit_one(client=agents_client, now=timezone.now(), payload={"amount": "900.00", "currency": "EUR"})
    shown = Caller(user=ana()).post(f"tickets/{gate_of(decision).id}/claim").json()
    assert shown["deliberate_acts"] == 2

    assert pointers(problem(give(ana(), shown, answer(shown)), 422)) == ["/acts"]
    assert give(ana(), shown, answer(shown, acts=2)).status_code == 200


@pytest.mark.parametrize("tag", ["3", '"three"', 'W/"3"', '"3", "4"', '"' + "9" * 30 + '"', '""', '"-1"'])
def test_a_version_that_is_none_is_refused_by_its_header(shown, tag):
    response = Caller(user=ana()).post(f"tickets/{shown['id']}/verdict", answer(shown), If_Match=tag)

    assert problem(response, 422)["errors"][0]["header"] == "If-Match"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "ignore"}, "/kind"),
        ({"kind": ["approve"]}, "/kind"),
        ({"kind": True}, "/kind"),
        ({"shown_sha256": "0" * 63}, "/shown_sha256"),
        ({"shown_sha256": "0" * 64 + "\n"}, "/shown_sha256"),
        ({"shown_sha256": 0}, "/shown_sha256"),
        ({"request_key": ""}, "/request_key"),
        ({"request_key": "k" * 65}, "/request_key"),
        ({"request_key": 12}, "/request_key"),
        ({"epoch": "1"}, "/epoch"),
        ({"epoch": True}, "/epoch"),
        ({"epoch": 9007199254740991}, "/epoch"),
        ({"payload": "text"}, "/payload"),
        ({"payload": [1]}, "/payload"),
        ({"material": "true"}, "/material"),
        ({"material": 1}, "/material"),
        ({"reason_code": "because"}, "/reason_code"),
        ({"reasoning_rating": 6}, "/reasoning_rating"),
        ({"reasoning_rating": 0}, "/reasoning_rating"),
        ({"reasoning_rating": "4"}, "/reasoning_rating"),
        ({"acts": 3}, "/acts"),
        ({"note": "n" * 5_001}, "/note"),
        ({"note": {"a": 1}}, "/note"),
        ({"estimate": "e" * 81}, "/estimate"),
        ({"version": 3}, "/version"),
        ({"reviewer": "omar"}, "/reviewer"),
    ],
)
def test_each_field_that_is_wrong_is_refused_by_its_place(shown, change, pointer):
    assert pointers(problem(give(ana(), shown, answer(shown, **change)), 422, "invalid")) == [pointer]
    assert not Verdict.objects.exists()


# ---- Who never decides ----------------------------------------------------------------------------------------------


def test_a_key_never_gives_a_verdict_whatever_its_scopes(shown, agent, agents_client):
    agents_client.scopes = ["decisions:write", "decisions:read", "truth:write", "permits:issue", "permits:redeem"]
    agents_client.save()
    path = f"tickets/{shown['id']}/verdict"

    body = problem(agent.post(path, answer(shown), If_Match=f'"{shown["version"]}"'), 403)

    assert "session" in body["detail"]
    assert not Verdict.objects.exists()


def test_a_key_beside_a_session_gives_none_either(shown, agents_client):
    """The key speaks, not the cookie beside it."""
    both = Caller(key=issue_key(agents_client, now=timezone.now()), user=ana())

    problem(both.post(f"tickets/{shown['id']}/verdict", answer(shown), If_Match=f'"{shown["version"]}"'), 403)


def test_an_admin_who_reviews_nothing_decides_nothing(shown):
    admin = make_user("adam", groups=[ADMINS], is_superuser=True)

    assert give(admin, shown, answer(shown)).status_code in (403, 409)
    assert not Verdict.objects.exists()
