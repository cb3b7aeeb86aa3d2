"""Verdicts given on the ticket page: whole, changed, by two acts, and the refused ones."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from policies.domain.vocabulary import VerdictKind
from reviews.models import Estimate, Ticket, Verdict
from reviews.services.claim import claim_ticket
from tests import factories as make
from tests.reviews.ticket_page import HX, hidden_fields, opened, post

pytestmark = pytest.mark.django_db


def test_the_answer_to_an_approval_is_the_next_ticket_with_a_way_back(as_ana, policy, now):
    first = make.gate_of(make.submit_one(now=now))
    second = make.gate_of(make.submit_one(now=now, subject={"type": "customer", "id": "c-2", "label": "Customer 2"}))
    sent = opened(as_ana, first, at=now)
    answer = post(as_ana, first, "verdict", {**sent, "kind": "approve", "note": "fine", "reasoning_rating": "5"})
    page = answer.content.decode()
    assert answer.headers["HX-Push-Url"] == f"/tickets/{second.pk}/"
    assert "Customer 2" in page
    assert "Approved" in page
    assert f"/tickets/{first.pk}/undo" in page
    given = Verdict.objects.get()
    assert (given.kind, given.note, given.reasoning_rating) == (VerdictKind.APPROVE, "fine", 5)


def test_without_javascript_the_same_forms_redirect(as_ana, policy, now):
    first = make.gate_of(make.submit_one(now=now))
    second = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, first, at=now)
    answer = as_ana.post(f"/tickets/{first.pk}/verdict", {**sent, "kind": "approve"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/tickets/{second.pk}/")
    assert "Undo" in as_ana.get(f"/tickets/{second.pk}/").content.decode()


def test_a_resend_counts_once(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "approve"}
    for _ in range(3):
        assert post(as_ana, ticket, "verdict", sent).status_code == 200
    assert Verdict.objects.count() == 1


def test_a_rejection_is_sent_by_its_reason(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=now)
    assert post(as_ana, ticket, "verdict", {**sent, "reject": "wrong_facts"}).status_code == 200
    given = Verdict.objects.get()
    assert (given.kind, given.reason_code) == (VerdictKind.REJECT, "wrong_facts")


def test_a_form_that_says_nothing_is_refused_with_the_form(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=now)
    answer = post(as_ana, ticket, "verdict", sent)
    assert answer.status_code == 422
    assert "Say what you decide." in answer.content.decode()
    assert not Verdict.objects.exists()


def test_what_was_decided_meanwhile_is_409_with_who_and_when(client, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    client.force_login(make.ana())
    sent = {**opened(client, ticket, at=now), "kind": "approve"}
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=now - timedelta(minutes=1))
    client.force_login(make.ben())
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    post(client, ticket, "verdict", {**hidden_fields(client, ticket), "kind": "approve"})
    client.force_login(make.ana())
    answer = post(client, ticket, "verdict", sent)
    assert answer.status_code == 409
    assert re.search(r"Ben has decided this \(\d\d:\d\d:\d\d UTC\)\.", answer.content.decode())
    assert "Next ticket" in answer.content.decode()
    assert Verdict.objects.get().reviewer == make.ben()


def test_a_colleague_s_ticket_is_409_with_their_name(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    assert "Ben has this open." in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    answer = post(as_ana, ticket, "claim", {})
    assert answer.status_code == 409
    assert "Ben has this ticket (since " in answer.content.decode()


def test_what_changed_since_it_was_shown_is_412_and_shown_anew(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "approve"}
    answer = post(as_ana, ticket, "verdict", {**sent, "shown_sha256": "0" * 64})
    assert answer.status_code == 412
    assert "Look again." in answer.content.decode()
    assert sent["shown_sha256"] in answer.content.decode()


def test_a_verdict_that_nobody_could_have_read_for_is_refused(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = opened(as_ana, ticket, at=timezone.now() + timedelta(seconds=5))
    answer = post(as_ana, ticket, "verdict", {**sent, "kind": "approve"})
    assert answer.status_code == 422
    assert "too quick" in answer.content.decode()


# ---- Edit and override


def test_an_edit_opens_only_the_fields_that_the_workflow_opens(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    opened(as_ana, ticket, at=now)
    page = as_ana.get(f"/tickets/{ticket.pk}/?edit=1", headers=HX).content.decode()
    assert 'name="field:/message"' in page
    assert 'name="field:/amount"' in page
    assert 'name="field:/currency"' not in page


def test_an_edit_keeps_what_was_not_written_into_and_says_whether_it_is_material(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "edit", "field:/amount": "11.00", "material": "yes"}
    sent["field:/message"] = "Do you charge for topping up?"
    assert post(as_ana, ticket, "verdict", sent).status_code == 200
    given = Verdict.objects.get()
    assert given.payload == {"message": "Do you charge for topping up?", "amount": "11.00", "currency": "EUR"}
    assert given.material is True


def test_an_edit_that_does_not_say_whether_it_is_material_comes_back_with_what_was_written(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "edit", "field:/message": "Another text", "note": "my note"}
    answer = post(as_ana, ticket, "verdict", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Say whether the edit changes the substance" in page
    assert "Another text" in page
    assert "my note" in page
    assert not Verdict.objects.exists()


def test_the_changes_are_shown_while_they_are_written(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "edit", "field:/message": "Do we charge for topping up?"}
    page = post(as_ana, ticket, "changes", sent).content.decode()
    assert "<del>you</del><ins>we</ins>" in page


def test_an_override_shows_the_other_action_s_fields_prefilled_where_they_match(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    opened(as_ana, ticket, at=now)
    page = as_ana.get(f"/tickets/{ticket.pk}/?override=trace_top_up", headers=HX).content.decode()
    assert 'name="field:/message" form="decide" value="Do you charge for topping up?"' in page
    assert 'name="field:/card" form="decide" value=""' in page
    assert "field:/amount" not in page


def test_an_override_is_validated_field_by_field(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "override", "action": "trace_top_up", "reason": "wrong_action"}
    sent |= {"field:/message": "Do you charge for topping up?", "field:/card": "1"}
    answer = post(as_ana, ticket, "verdict", sent)
    assert answer.status_code == 422
    assert 'id="field-card-error"' in answer.content.decode()
    assert post(as_ana, ticket, "verdict", {**sent, "field:/card": "4417"}).status_code == 200
    given = Verdict.objects.get()
    assert (given.action, given.payload) == (
        "trace_top_up",
        {"message": "Do you charge for topping up?", "card": "4417"},
    )


def test_an_override_to_what_can_t_be_undone_takes_two_acts(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    sent = {**opened(as_ana, ticket, at=now), "kind": "override", "action": "send_letter", "reason": "other"}
    answer = post(as_ana, ticket, "verdict", sent)
    assert answer.status_code == 422
    assert "Type 12.00 to confirm." in answer.content.decode()
    assert post(as_ana, ticket, "verdict", {**sent, "confirmation": " 12.00"}).status_code == 200
    assert Verdict.objects.get().action == "send_letter"


@pytest.mark.parametrize("typed", ["4,200.00", "4200.00", "4 200.00"])
def test_an_amount_is_asked_for_as_the_page_prints_it_and_taken_with_or_without_its_comma(as_ana, policy, now, typed):
    payload = {"message": "Too much", "amount": "4200.00", "currency": "EUR"}
    ticket = make.gate_of(make.submit_one(now=now, payload=payload))
    sent = {**opened(as_ana, ticket, at=now), "kind": "override", "action": "send_letter", "reason": "other"}
    page = post(as_ana, ticket, "verdict", {**sent, "confirmation": "420.00"}).content.decode()
    assert "Type 4,200.00 to confirm." in page
    assert "of 4,200.00 EUR" in page
    assert "4\u202f200" not in page
    assert post(as_ana, ticket, "verdict", {**sent, "confirmation": typed}).status_code == 200


# ---- Two acts


def test_what_can_t_be_undone_is_approved_by_typing_and_not_by_one_key(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now, action="send_letter", payload={"message": "Dear you"}))
    sent = {**opened(as_ana, ticket, at=now), "kind": "approve"}
    page = as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Type “send” to confirm" in page
    for wrong in ({}, {"confirmation": ""}, {"confirmation": "sent"}):
        answer = post(as_ana, ticket, "verdict", {**sent, **wrong})
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.content.decode()
    assert not Verdict.objects.exists()
    assert post(as_ana, ticket, "verdict", {**sent, "confirmation": "Send"}).status_code == 200
    assert Verdict.objects.count() == 1


def test_a_rejection_takes_one_act_whatever_the_stakes(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now, action="send_letter", payload={"message": "Dear you"}))
    sent = {**opened(as_ana, ticket, at=now), "reject": "unsafe", "confirmation": ""}
    assert post(as_ana, ticket, "verdict", sent).status_code == 200


def test_what_no_page_shows_whole_is_not_approved_with_one_key(as_ana, policy, now):
    ticket = make.gate_of(
        make.submit_one(now=now, payload={"message": "a" * 120_000, "amount": "1", "currency": "EUR"})
    )
    opened(as_ana, ticket, at=now)
    assert "Too much for one page." in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()


# ---- Own answers first, whys, and second people ---------------------------------------------------------------------


def test_an_audit_may_ask_for_an_own_estimate_before_the_ai_s_answer_is_shown(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now, reasoning="Because of the fee."))
    Ticket.objects.filter(pk=ticket.pk).update(estimate_first=True)
    hidden = ("Because of the fee.", ">0.62", " 0.62", "What the AI says", 'value="approve"', "Is the fee really")
    desk = as_ana.get("/").content.decode()
    assert "Your own answer first" in desk
    before = as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Take this ticket" in before
    claimed = claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    page = as_ana.get(f"/tickets/{ticket.pk}/?estimate=trace_top_up").content.decode()
    assert "What should be done?" in page
    for text in hidden:
        assert text not in before
        assert text not in page
    epoch = {"claim_epoch": claimed.claim_epoch}
    for wrong in ({**epoch, "action": "launch_rocket"}, {"action": "refund_fee"}):
        assert "Because of the fee." not in post(as_ana, ticket, "estimate", wrong).content.decode()
    assert not Estimate.objects.exists()
    assert "Because of the fee." in post(as_ana, ticket, "estimate", {**epoch, "action": "refund_fee"}).content.decode()
    post(as_ana, ticket, "verdict", {**hidden_fields(as_ana, ticket), "kind": "approve"})
    assert Verdict.objects.get().estimate == "refund_fee"


def test_whoever_changes_what_the_ai_was_sure_of_is_asked_why_and_an_edit_may_say_what_was_wrong(as_ana, policy, now):
    make.make_live_policy(least_confidence=Decimal("0.99"), now=now)
    ticket = make.gate_of(make.submit_one(now=now, confidence=0.97))
    opened(as_ana, ticket, at=now)
    page = as_ana.get(f"/tickets/{ticket.pk}/?edit=1").content.decode()
    assert "Why, though the AI was sure (0.97)?" in page
    sent = {**opened(as_ana, ticket, at=now), "kind": "edit", "field:/amount": "11.00", "material": "yes"}
    post(as_ana, ticket, "verdict", {**sent, "reason": "wrong_amount"})
    verdict = Verdict.objects.get()
    assert (verdict.kind, verdict.reason_code) == ("edit", "wrong_amount")


def test_a_verdict_without_the_estimate_that_was_asked_for_is_refused(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    sent = hidden_fields(as_ana, ticket)
    Ticket.objects.filter(pk=ticket.pk).update(estimate_first=True)
    answer = post(as_ana, ticket, "verdict", {**sent, "kind": "approve", "estimate": "refund_fee"})
    assert answer.status_code == 422
    assert "Give your own estimate first" in answer.content.decode()
    assert not Verdict.objects.exists()


HOSTILE = "<img src=x onerror=alert(1)>{{ 7|add:7 }}{% now 'Y' %}\u202e\u200b<b hx-get=/x hx-trigger=load>"


def test_a_second_person_is_shown_the_change_that_they_confirm(client, now):
    make.make_live_policy(now=now, verdicts_needed=2, largest_amount=Decimal(5), currency="EUR")
    ticket = make.gate_of(make.submit_one(now=now))
    client.force_login(make.ana())
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    sent = {**hidden_fields(client, ticket), "kind": "edit", "material": "no", "confirmation": "12.00"}
    sent |= {"field:/message": "Do we charge for topping up?", "field:/amount": "12.00"}
    assert post(client, ticket, "verdict", sent).status_code == 200
    client.force_login(make.ben())
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    page = client.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Ana edited this" in page
    assert "<del>you</del><ins>we</ins>" in page
    assert "verdict 2 of 2" in page
