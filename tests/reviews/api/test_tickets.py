"""POST /api/v1/tickets/next, /claim, /release, /skip, /ask, /escalate and /undo, and GET /api/v1/tickets/{id}."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from reviews.domain.vocabulary import TicketKind
from reviews.models import Estimate, Question, Skip, Ticket
from reviews.services.ask import answer_question
from reviews.services.claim import claim_ticket
from tests.factories import ada, ana, ben, eve, gate_of, ines, make_user, omar, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, pointers, problem

NEVER = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def decision(agents_client):
    """A decision that waits for a person."""
    return submit_one(client=agents_client, now=timezone.now())


@pytest.fixture
def ticket(decision) -> Ticket:
    return gate_of(decision)


@pytest.fixture
def anas(ticket) -> dict:
    """The same ticket in Ana's hands, as the API shows it."""
    response = Caller(user=ana()).post(f"tickets/{ticket.id}/claim")
    assert response.status_code == 200
    shown: dict = response.json()
    return shown


# ---- Taking the next ------------------------------------------------------------------------------------------------


def test_the_next_ticket_is_claimed_and_shown_whole(decision, ticket):
    response = Caller(user=ana()).post("tickets/next")

    assert response.status_code == 200
    shown = response.json()
    assert shown["id"] == str(ticket.id)
    assert (shown["state"], shown["claim"]["mine"], shown["claim"]["epoch"]) == ("claimed", True, 1)
    assert response["ETag"] == f'"{shown["version"]}"'
    assert shown["proposal"]["title"] == "Refund fee"
    assert shown["proposal"]["payload"] == decision.payload
    assert shown["recommendation"]["confidence"] == "0.62"
    assert shown["recommendation"]["alternatives"][0] == {
        "action": "trace_top_up",
        "title": "Trace top up",
        "confidence": "0.068271",
    }
    assert shown["recommendation"]["reasoning"] == "The customer asks for a fee back."
    assert [reason["code"] for reason in shown["reasons"]] == ["low_confidence"]
    assert shown["allowed_verdicts"] == ["approve", "edit", "override", "reject"]
    assert [override["action"] for override in shown["overrides"]] == ["trace_top_up"]
    assert shown["editable"] == ["/message", "/amount"]


def test_where_nothing_waits_there_is_no_next_ticket(support):
    response = Caller(user=ana()).post("tickets/next")

    assert (response.status_code, response.content) == (204, b"")


def test_the_next_ticket_can_be_chosen_by_what_it_is_about(agents_client):
    submit_one(client=agents_client, now=timezone.now())
    wanted = submit_one(client=agents_client, now=timezone.now(), action="trace_top_up")

    shown = Caller(user=ana()).post("tickets/next", {"action": "trace_top_up"}).json()

    assert shown["recommendation"]["id"] == str(wanted.id)


def test_who_reviews_nothing_is_told_so(ticket):
    for person in (eve(), ada(), ines()):
        problem(Caller(user=person).post("tickets/next"), 403)


def test_what_is_like_the_ticket_just_decided_comes_next(agents_client, decision, ticket):
    now = timezone.now()
    decide(ticket, ana(), now=now)
    other = {**decision.payload, "message": "Where is my card?"}
    waiting = [submit_one(client=agents_client, now=now, payload=payload) for payload in (other, decision.payload)]
    shown = [Caller(user=ana()).post("tickets/next").json()["id"] for _ in waiting]
    assert shown == [str(gate_of(each).id) for each in reversed(waiting)]


def test_no_two_get_the_same_ticket(ticket):
    assert Caller(user=ana()).post("tickets/next").status_code == 200
    assert Caller(user=ben()).post("tickets/next").status_code == 204


# ---- Looking --------------------------------------------------------------------------------------------------------


def test_those_whose_office_it_is_look_without_claiming(ticket):
    for person in (ana(), ben(), omar(), ada(), ines()):
        response = Caller(user=person).get(f"tickets/{ticket.id}")
        assert (response.status_code, response.json()["claim"]) == (200, None)
    ticket.refresh_from_db()
    assert ticket.state == "open"


def test_who_has_no_part_in_it_sees_nothing(ticket):
    theirs = problem(Caller(user=eve()).get(f"tickets/{ticket.id}"), 404)
    nobodys = problem(Caller(user=eve()).get(f"tickets/{NEVER}"), 404)

    assert theirs["detail"] == nobodys["detail"]


def test_who_asked_for_it_does_not_see_it(agents_client):
    ana()
    decision = submit_one(client=agents_client, now=timezone.now(), requested_by="ANA@example.org")

    problem(Caller(user=ana()).get(f"tickets/{gate_of(decision).id}"), 404)


def test_a_known_answer_looks_like_any_other_gate(ticket):
    Ticket.objects.filter(pk=ticket.pk).update(kind=TicketKind.KNOWN_ANSWER)

    assert Caller(user=ana()).get(f"tickets/{ticket.id}").json()["kind"] == "gate"


def test_looking_settles_what_is_over(ticket):
    decide(ticket, ana(), now=timezone.now() - timedelta(minutes=1))

    shown = Caller(user=ana()).get(f"tickets/{ticket.id}").json()

    assert (shown["state"], shown["outcome"]["kind"]) == ("settled", "approved")


# ---- Claiming -------------------------------------------------------------------------------------------------------


def test_a_claim_of_ones_own_is_prolonged(anas):
    again = Caller(user=ana()).post(f"tickets/{anas['id']}/claim").json()

    assert again["claim"]["epoch"] == anas["claim"]["epoch"]
    assert again["version"] == anas["version"]


def test_a_ticket_in_other_hands_says_whose_and_until_when(anas):
    body = problem(Caller(user=ben()).post(f"tickets/{anas['id']}/claim"), 409, "held")

    assert (body["by"], body["until"]) == ("Ana", anas["claim"]["until"])


def test_a_decided_ticket_says_by_whom_and_when(ticket):
    verdict = decide(ticket, ana(), now=timezone.now())

    body = problem(Caller(user=ben()).post(f"tickets/{ticket.id}/claim"), 409, "already_decided")

    assert body["by"] == "Ana"
    assert body["at"] == verdict.decided_at.isoformat().replace("+00:00", "Z")


def test_leads_and_auditors_may_look_but_not_take(ticket):
    lead = make_user("olga", groups=["Leads"])
    for person in (lead, ada(), ines()):
        problem(Caller(user=person).post(f"tickets/{ticket.id}/claim"), 403, "permission_denied")


def test_a_ticket_that_is_not_there_is_not_claimed(support):
    problem(Caller(user=ana()).post(f"tickets/{NEVER}/claim"), 404)


# ---- Giving back ----------------------------------------------------------------------------------------------------


def test_a_released_ticket_is_anybodys(anas):
    assert Caller(user=ana()).post(f"tickets/{anas['id']}/release", {"epoch": 1}).status_code == 204
    assert Caller(user=ben()).post("tickets/next").json()["id"] == anas["id"]


def test_a_skipped_ticket_stays_away_a_while(anas):
    assert Caller(user=ana()).post(f"tickets/{anas['id']}/skip", {"epoch": 1}).status_code == 204

    assert Skip.objects.get().reviewer == ana()
    assert Caller(user=ana()).post("tickets/next").status_code == 204
    assert Caller(user=ben()).post("tickets/next").json()["id"] == anas["id"]


def test_an_escalated_ticket_goes_to_the_escalation_group(anas):
    response = Caller(user=ana()).post(f"tickets/{anas['id']}/escalate", {"epoch": 1, "note": "Too big for me."})

    assert response.status_code == 204
    assert Ticket.objects.get().group.name == "Support escalation"
    assert Caller(user=omar()).post("tickets/next").json()["id"] == anas["id"]


@pytest.mark.parametrize("verb", ["release", "skip", "escalate", "ask"])
def test_an_old_epoch_does_nothing(anas, verb):
    more = {"text": "Which plan?"} if verb == "ask" else {}

    problem(Caller(user=ana()).post(f"tickets/{anas['id']}/{verb}", {"epoch": 7, **more}), 409, "claim_lost")


@pytest.mark.parametrize("verb", ["release", "skip", "escalate", "ask"])
def test_what_others_hold_is_theirs(anas, verb):
    more = {"text": "Which plan?"} if verb == "ask" else {}

    body = problem(Caller(user=ben()).post(f"tickets/{anas['id']}/{verb}", {"epoch": 1, **more}), 409, "held")

    assert body["by"] == "Ana"


@pytest.mark.parametrize("verb", ["release", "skip", "escalate", "ask"])
@pytest.mark.parametrize("epoch", [None, -1, 1.5, "1", True, 2**31, [1]])
def test_an_epoch_that_is_none_is_refused_by_its_place(anas, verb, epoch):
    more = {"text": "Which plan?"} if verb == "ask" else {}

    body = problem(Caller(user=ana()).post(f"tickets/{anas['id']}/{verb}", {"epoch": epoch, **more}), 422)

    assert pointers(body) == ["/epoch"]


# ---- Asking ---------------------------------------------------------------------------------------------------------


def test_a_question_goes_upstream_and_its_answer_is_shown(anas, decision, agents_client):
    asked = Caller(user=ana()).post(f"tickets/{anas['id']}/ask", {"epoch": 1, "text": "Which plan?"})
    assert (asked.status_code, asked.json()["text"]) == (201, "Which plan?")
    assert Question.objects.get().asked_by == ana()
    answer_question(
        decision.id, client=agents_client, text="The free one.", context={"plan": "free"}, now=timezone.now()
    )

    (question,) = Caller(user=ana()).post("tickets/next").json()["questions"]

    assert (question["text"], question["answer"], question["context"]) == (
        "Which plan?",
        "The free one.",
        {"plan": "free"},
    )


def test_nobody_takes_a_ticket_that_waits_for_an_answer(anas):
    Caller(user=ana()).post(f"tickets/{anas['id']}/ask", {"epoch": 1, "text": "Which plan?"})

    problem(Caller(user=ben()).post(f"tickets/{anas['id']}/claim"), 409, "asked")


# ---- Taking back ----------------------------------------------------------------------------------------------------


def test_a_verdict_is_taken_back_within_its_hold(ticket):
    decide(ticket, ana(), now=timezone.now())

    shown = Caller(user=ana()).post(f"tickets/{ticket.id}/undo").json()

    assert (shown["state"], shown["claim"]["mine"]) == ("claimed", True)


def test_a_verdict_is_not_taken_back_after_its_hold(ticket):
    decide(ticket, ana(), now=timezone.now() - timedelta(minutes=1))

    problem(Caller(user=ana()).post(f"tickets/{ticket.id}/undo"), 409)


def test_nobody_takes_back_what_others_said(ticket):
    decide(ticket, ana(), now=timezone.now())

    assert Caller(user=ben()).post(f"tickets/{ticket.id}/undo").status_code in (403, 409)
    ticket.refresh_from_db()
    assert ticket.state == "decided"


# ---- Who else -------------------------------------------------------------------------------------------------------


def test_a_session_without_its_csrf_token_changes_nothing(ticket):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(ana())

    problem(browser.post(f"/api/v1/tickets/{ticket.id}/claim", b"{}", content_type="application/json"), 403)
    ticket.refresh_from_db()
    assert ticket.state == "open"


def test_a_page_takes_its_claim_from_the_database(ticket):
    claim_ticket(ticket.pk, reviewer=ana(), now=timezone.now())

    assert Caller(user=ben()).get(f"tickets/{ticket.id}").json()["claim"]["held_by"] == "Ana"


# ---- An own estimate first ------------------------------------------------------------------------------------------


def test_nothing_of_the_ai_s_view_is_told_before_the_estimate(decision, ticket):
    Ticket.objects.filter(pk=ticket.pk).update(estimate_first=True)
    shown = Caller(user=ana()).post(f"tickets/{ticket.id}/claim").json()
    assert shown["awaits_estimate"]
    assert shown["proposal"]["payload"] == decision.payload
    text = str({name: value for name, value in shown.items() if name != "overrides"})
    for hidden in ("refund_fee", "Refund fee", "0.62", "fee back", "low_confidence", "trace_top_up"):
        assert hidden not in text
    assert "refund_fee" in {action["action"] for action in shown["overrides"]}, "among all the others"
    told = {"epoch": shown["claim"]["epoch"], "action": "refund_fee"}
    after = Caller(user=ana()).post(f"tickets/{ticket.id}/estimate", told).json()
    assert not after["awaits_estimate"]
    assert after["recommendation"]["confidence"] == "0.62"
    again = Caller(user=ana()).post(f"tickets/{ticket.id}/estimate", {**told, "action": "refund_fee"})
    assert again.status_code == 200
    assert Estimate.objects.get().action == "refund_fee"


def test_an_estimate_is_of_a_ticket_that_asks_for_it_and_of_an_action_that_there_is(ticket, anas):
    told = {"epoch": anas["claim"]["epoch"], "action": "refund_fee"}
    response = Caller(user=ana()).post(f"tickets/{ticket.id}/estimate", told)
    assert pointers(problem(response, 422, "invalid")) == ["/action"]
    Ticket.objects.filter(pk=ticket.pk).update(estimate_first=True)
    response = Caller(user=ana()).post(f"tickets/{ticket.id}/estimate", {**told, "action": "launch_rocket"})
    assert pointers(problem(response, 422, "invalid")) == ["/action"]
