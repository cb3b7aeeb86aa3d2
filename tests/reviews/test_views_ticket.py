"""The ticket page, and what is done on it short of a verdict, by the people who may and those who may not."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviews.domain.vocabulary import TicketState
from reviews.models import Client, Presence, Question, Ticket, Verdict
from reviews.services.ask import answer_question
from reviews.services.claim import claim_ticket
from reviews.services.settle import cancel_decision
from tests import factories as make
from tests.reviews.ticket_page import HX, opened, post

pytestmark = pytest.mark.django_db


def test_a_ticket_shows_everything_that_is_needed_to_judge_it(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now, reasoning="Because <b>I</b> say so."))
    page = as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    for shown in (
        "Refund fee",
        "12.00",
        "Customer 77",
        "Confidence 0.62",
        "at least 0.85 needed",
        "Is the fee really refundable",
        "Do you charge for topping up?",
        "Trace top up",
        "Because &lt;b&gt;I&lt;/b&gt; say so.",
        "support-router",
        "Take this ticket",
    ):
        assert shown in page, shown


def test_a_reason_is_said_in_people_s_words_and_never_on_the_wrong_side_of_its_limit(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now, confidence=0.84968))
    page = as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Confidence 0.8497 is below 0.85, the least for “Refund fee”." in page
    assert 'aria-label="Confidence 0.8497, at least 0.85 needed"' in page


@pytest.mark.parametrize("who", [make.eve, make.ada])
def test_who_may_not_see_a_ticket_finds_no_page(client, policy, now, who):
    ticket = make.gate_of(make.submit_one(now=now))
    person = who()
    client.force_login(person)
    expected = 404 if person.username == "eve" else 200
    assert client.get(f"/tickets/{ticket.pk}/").status_code == expected
    assert client.get(f"/tickets/{uuid4()}/").status_code == 404


@pytest.mark.parametrize(
    "act", ["claim", "verdict", "skip", "release", "escalate", "ask", "undo", "renew", "changes", "alike", "presence"]
)
def test_eve_can_do_nothing_to_a_ticket(client, policy, now, act):
    ticket = make.gate_of(make.submit_one(now=now))
    client.force_login(make.eve())
    sent = {"kind": "approve", "version": 1, "claim_epoch": 0, "shown_sha256": "0" * 64, "request_key": "k"}
    call = client.get if act == "alike" else client.post
    assert call(f"/tickets/{ticket.pk}/{act}", {**sent, "question": "Why?"}).status_code == 404
    assert not Verdict.objects.exists()


def test_an_auditor_looks_and_is_offered_no_verdict(client, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    client.force_login(make.ines())
    page = client.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Customer 77" in page
    assert 'value="approve"' not in page
    assert "Take this ticket" not in page
    assert client.post(f"/tickets/{ticket.pk}/claim", headers=HX).status_code == 403


def test_next_claims_a_ticket_and_opens_it(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    answer = as_ana.post("/tickets/next", headers=HX)
    assert answer.headers["HX-Push-Url"] == f"/tickets/{ticket.pk}/"
    assert '<div id="ticket"' in answer.content.decode()
    ticket.refresh_from_db()
    assert (ticket.state, ticket.claimed_by) == (TicketState.CLAIMED, make.ana())


def test_next_goes_on_with_what_is_still_held(as_ana, policy, now):
    held = make.gate_of(make.submit_one(now=now))
    make.submit_one(now=now)
    claim_ticket(held.pk, reviewer=make.ana(), now=now)
    assert as_ana.post("/tickets/next", headers=HX).headers["HX-Push-Url"] == f"/tickets/{held.pk}/"


def test_next_keeps_to_the_filters_of_the_desk(as_ana, policy, now):
    make.submit_one(now=now)
    wanted = make.gate_of(make.submit_one(now=now, confidence=None))
    answer = as_ana.post("/tickets/next", {"filters": "reason=missing_confidence"}, headers=HX)
    assert answer.headers["HX-Push-Url"] == f"/tickets/{wanted.pk}/?reason=missing_confidence"
    assert "reason=missing_confidence" in answer.content.decode()


def test_with_nothing_left_next_says_so(as_ana, policy):
    answer = as_ana.post("/tickets/next", headers=HX)
    assert "Nothing left to do" in answer.content.decode()
    assert answer.headers["HX-Push-Url"] == "/"
    assert as_ana.post("/tickets/next").headers["Location"] == "/"


# ---- Everything else


def test_a_skipped_ticket_gives_way_to_the_next(as_ana, policy, now):
    first, second = (make.gate_of(make.submit_one(now=now)) for _ in range(2))
    sent = opened(as_ana, first, at=now)
    answer = post(as_ana, first, "skip", sent)
    assert answer.headers["HX-Push-Url"] == f"/tickets/{second.pk}/"
    assert "Skipped" in answer.content.decode()


def test_a_released_ticket_goes_back_and_the_reviewer_to_the_desk(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    assert post(as_ana, ticket, "release", opened(as_ana, ticket, at=now)).headers["HX-Redirect"] == "/"
    ticket.refresh_from_db()
    assert ticket.state == TicketState.OPEN


def test_a_question_needs_words_and_then_the_ticket_waits(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=now)
    answer = post(as_ana, ticket, "ask", {**sent, "question": " "})
    assert answer.status_code == 422
    assert "Write what you need to know." in answer.content.decode()
    assert post(as_ana, ticket, "ask", {**sent, "question": "Which plan?"}).status_code == 200
    assert Question.objects.get().text == "Which plan?"
    assert "the ticket waits for the answer" in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()


def test_an_answer_is_shown_beside_its_question(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    post(as_ana, ticket, "ask", {**opened(as_ana, ticket, at=now), "question": "Which plan?"})
    client = Client.objects.get(name="Support agent")
    answer_question(ticket.decision_id, client=client, text="The small one", context={"plan": "S"}, now=timezone.now())
    page = as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    for shown in ("Which plan?", "The small one", "Plan"):
        assert shown in page


def test_an_escalated_ticket_leaves_with_its_note(client, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    client.force_login(make.ana())
    post(client, ticket, "escalate", {**opened(client, ticket, at=now), "note": "Above my head"})
    client.force_login(make.omar())
    assert "Above my head" in client.get(f"/tickets/{ticket.pk}/").content.decode()


def test_undo_gives_the_ticket_back(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    post(as_ana, ticket, "verdict", {**opened(as_ana, ticket, at=now), "kind": "approve"})
    answer = post(as_ana, ticket, "undo", {})
    assert "Taken back" in answer.content.decode()
    ticket.refresh_from_db()
    assert (ticket.state, ticket.claimed_by) == (TicketState.CLAIMED, make.ana())


def test_a_renewed_claim_says_until_when_and_a_lost_one_who_has_it(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=now)
    assert "yours for" in post(as_ana, ticket, "renew", sent).content.decode()
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=now - timedelta(minutes=1))
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    answer = post(as_ana, ticket, "renew", sent)
    assert answer.status_code == 409
    assert "Ben has this ticket." in answer.content.decode()


def test_what_upstream_withdrew_says_so(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    cancel_decision(ticket.decision_id, client=Client.objects.get(name="Support agent"), reason="", now=timezone.now())
    assert "Upstream withdrew this." in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()


def test_like_cases_are_a_fragment_of_their_own(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    assert "Nothing like it was decided before." in as_ana.get(f"/tickets/{ticket.pk}/alike").content.decode()


HOSTILE = "<img src=x onerror=alert(1)>{{ 7|add:7 }}{% now 'Y' %}\u202e\u200b<b hx-get=/x hx-trigger=load>"


def test_hostile_text_is_inert_in_every_field(as_ana, policy, now):
    ticket = make.gate_of(
        make.submit_one(
            now=now,
            payload={"message": HOSTILE, HOSTILE: HOSTILE, "amount": "1", "currency": HOSTILE},
            reasoning=HOSTILE,
            context={HOSTILE: HOSTILE, "list": [{HOSTILE: HOSTILE}]},
            alternatives=[{"action": HOSTILE[:80], "confidence": 0.1}],
            subject={"type": HOSTILE[:40], "id": HOSTILE, "label": HOSTILE},
            model={"name": HOSTILE, "version": HOSTILE},
        )
    )
    opened(as_ana, ticket, at=now)
    for path in ("", "?edit=1", "alike"):
        page = as_ana.get(f"/tickets/{ticket.pk}/{path}").content.decode()
        assert "<img" not in page
        assert "<b hx-get" not in page
        assert "\u202e" not in re.sub(r"<(textarea|input)[^>]*>[^<]*|\w+=\"[^\"]*\"", "", page)
    assert "{{ 7|add:7 }}" in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()


def test_the_ticket_takes_a_fixed_number_of_queries(as_ana, policy, now, django_assert_max_num_queries):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=now)
    for _ in range(5):
        make.submit_one(now=now)
    with django_assert_max_num_queries(11):
        as_ana.get(f"/tickets/{ticket.pk}/")
    with django_assert_max_num_queries(17):  # beside the claim and both readings of a ticket, past Django's cursor
        answer = post(as_ana, ticket, "verdict", {**sent, "kind": "approve"})
    assert "HX-Push-Url" in answer.headers


# ---- Who else has it open -------------------------------------------------------------------------------------------


def seen_by(client, user, ticket):
    client.force_login(user)
    return re.sub("<[^>]+>", "", post(client, ticket, "presence", {}).content.decode())


def test_whoever_else_has_a_ticket_open_is_named_and_forgotten_after_half_a_minute(client, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    assert seen_by(client, make.omar(), ticket) == ""
    assert seen_by(client, make.ana(), ticket) == "Omar has this open too"
    assert seen_by(client, make.ben(), ticket) == "Ana, Omar have this open too"
    Presence.objects.filter(user=make.omar()).update(seen_at=timezone.now() - timedelta(seconds=31))
    assert seen_by(client, make.ben(), ticket) == "Ana has this open too"


def test_who_went_on_to_another_ticket_has_the_first_no_longer_open(client, policy, now):
    first, second = (make.gate_of(make.submit_one(now=now)) for _ in range(2))
    seen_by(client, make.ana(), first)
    seen_by(client, make.ana(), second)
    assert seen_by(client, make.ben(), first) == ""
    assert Presence.objects.count() == 2


def test_who_holds_a_ticket_is_said_once(client, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    seen_by(client, make.ana(), ticket)
    assert seen_by(client, make.ben(), ticket) == ""
    assert "Ana has this open." in client.get(f"/tickets/{ticket.pk}/").content.decode()


# ---- Near-identical tickets, one after another ----------------------------------------------------------------------


def next_after_approving(client, first, second, *, now):
    """The page of the ticket that follows the approval of the first; both wait."""
    sent = {**opened(client, first, at=now), "kind": "approve"}
    page = post(client, first, "verdict", sent).content.decode()
    assert f"/tickets/{second.pk}/verdict" in page
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_ticket_like_the_one_before_says_in_what_it_differs_and_marks_it(as_ana, policy, now):
    first = make.gate_of(make.submit_one(now=now))
    make.submit_one(now=now, payload={"message": "Where is my card?", "amount": "12.00", "currency": "EUR"})
    payload = {"message": "Do you charge for topping up?", "amount": "14.00", "currency": "EUR"}
    subject = {"type": "customer", "id": "c-78", "label": "Customer 78"}
    second = make.gate_of(make.submit_one(now=now, payload=payload, subject=subject))
    shown = next_after_approving(as_ana, first, second, now=now)
    assert "Like the one before, but for: Subject Customer 77 Customer 78 Amount 12.00 14.00" in shown
    assert "Amount: 14.00 EUR differs" in shown
    assert shown.count("differs") == 1, "what is the same is not marked"


def test_a_ticket_unlike_the_one_before_is_marked_in_nothing(as_ana, policy, now):
    first = make.gate_of(make.submit_one(now=now))
    payload = {"message": "Where is my card?", "amount": "12.00", "currency": "EUR"}
    second = make.gate_of(make.submit_one(now=now, payload=payload))
    shown = next_after_approving(as_ana, first, second, now=now)
    assert "the one before" not in shown
    assert "differs" not in shown


def test_likeness_costs_the_ticket_no_query(as_ana, policy, now):
    first = make.gate_of(make.submit_one(now=now))
    second = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, first, at=now), "kind": "approve"}
    assert "to the letter" in post(as_ana, first, "verdict", sent).content.decode()
    with CaptureQueriesContext(connection) as alike:
        as_ana.get(f"/tickets/{second.pk}/")
    Verdict.objects.update(voided_at=now)
    with CaptureQueriesContext(connection) as alone:
        as_ana.get(f"/tickets/{second.pk}/")
    assert len(alike) <= len(alone) + 1, "the titles of the last verdict's actions, as ever"
