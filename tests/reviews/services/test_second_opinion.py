"""A random share of what people decided is asked about once more, of somebody who doesn't know the first answer."""

from decimal import Decimal

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client as Browser

from policies.domain.evaluate import audit_draw
from policies.models import Workflow
from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import Estimate, Event, Ticket
from reviews.queries import dossier
from reviews.services.claim import NotAllowed, claim_next, claim_ticket
from reviews.services.second_opinion import LOT, ask_again
from reviews.services.settle import settle_due
from tests.factories import NOW, ana, ben, gate_of, later, make_live_policy, make_user, make_workflow, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def policy():
    make_live_policy()
    share(1)


def share(value: int | str) -> None:
    make_workflow()
    Workflow.objects.update(second_opinion_share=Decimal(value))


def settled(kind: str = "approve", **changes) -> Ticket:
    gate = gate_of(submit_one(confidence=0.62, **changes))
    decide(gate, ana(), kind)
    settle_due(now=later(minutes=1))
    return gate


def test_ben_is_asked_what_ana_decided_and_nobody_twice():
    gate = settled()
    ben()
    (ticket,) = ask_again([gate.pk], now=later(minutes=2))
    assert (ticket.kind, ticket.group, ticket.decision) == (TicketKind.SECOND_OPINION, gate.group, gate.decision)
    assert Event.objects.get(ticket=ticket).kind == "ticket.opened"
    assert ask_again([gate.pk], now=later(minutes=3)) == []
    with pytest.raises(NotAllowed):
        claim_ticket(ticket.pk, reviewer=ana(), now=later(minutes=4))
    assert claim_next(reviewer=ana(), now=later(minutes=4)) is None
    assert claim_next(reviewer=ben(), now=later(minutes=4)) == ticket


def test_who_asked_for_the_action_is_not_asked_about_it():
    ana()
    requester = make_user("noor", groups=["Support"])
    gate = settled(requested_by=requester.email)
    assert ask_again([gate.pk], now=later(minutes=2)) == [], "nobody else is there"
    ben()
    (ticket,) = ask_again([gate.pk], now=later(minutes=2))
    assert ticket.requester == requester
    assert claim_next(reviewer=requester, now=later(minutes=4)) is None


def test_where_nobody_else_is_left_nobody_is_asked():
    ana()
    assert ask_again([settled().pk], now=later(minutes=2)) == []


def test_the_lot_falls_by_the_decision_s_id_on_the_workflow_s_share():
    ben()
    gates = [settled() for _ in range(30)]
    share("0.4")
    asked = {ticket.decision_id for ticket in ask_again([gate.pk for gate in gates], now=later(minutes=2))}
    key = settings.COUNTERSIGN_AUDIT_KEY.encode() + LOT
    assert asked == {gate.decision_id for gate in gates if audit_draw(gate.decision_id, key) < Decimal("0.4")}
    assert 0 < len(asked) < 30


def test_no_share_no_second_opinion():
    ben()
    share(0)
    assert ask_again([settled().pk], now=later(minutes=2)) == []


def test_what_is_not_settled_is_not_asked_again():
    ben()
    gate = gate_of(submit_one(confidence=0.62))
    decide(gate, ana())
    assert ask_again([gate.pk], now=later(seconds=3)) == []


def test_ben_sees_the_ai_s_view_and_nothing_of_ana_s():
    gate = settled("reject", reasoning="The customer asks for a fee back.")
    ben()
    (ticket,) = ask_again([gate.pk], now=NOW)
    browser = Browser()
    browser.force_login(ben())
    shown = browser.post(f"/api/v1/tickets/{ticket.pk}/claim", "{}", content_type="application/json")
    assert shown.status_code == 200
    told = shown.json()
    assert (told["outcome"], told["earlier_verdicts"]) == (None, [])
    assert told["recommendation"]["reasoning"] == "The customer asks for a fee back."
    page = browser.get(f"/tickets/{ticket.pk}/").content.decode()
    assert "Second opinion" in page
    for hidden in ("Ana", "Rejected", "wrong_action"):
        assert hidden not in page.split('id="ticket"')[1].split('name="reject"')[0]
        assert hidden not in shown.content.decode()
    fragment = browser.get(f"/tickets/{ticket.pk}/alike").content.decode()
    assert "Nothing like it was decided before." in fragment


def test_a_second_opinion_changes_no_outcome():
    gate = settled("approve")
    (ticket,) = (ben(), ask_again([gate.pk], now=later(minutes=2)))[1]
    decide(ticket, ben(), "reject", now=later(minutes=3))
    settle_due(now=later(minutes=4))
    ticket.refresh_from_db()
    assert ticket.state == TicketState.SETTLED
    assert dossier(ticket.pk, user=ben(), now=later(minutes=4)).outcome.kind == "approved"


def test_the_database_refuses_a_second_second_opinion():
    gate = settled()
    ben()
    ask_again([gate.pk], now=later(minutes=2))
    with pytest.raises(IntegrityError, match="one_second_opinion"), transaction.atomic():
        Ticket.objects.create(
            decision=gate.decision,
            kind=TicketKind.SECOND_OPINION,
            workflow=gate.workflow,
            group=gate.group,
            created_at=NOW,
            due_at=NOW,
        )


def test_the_database_keeps_one_estimate_of_a_person_as_it_was_given():
    gate = gate_of(submit_one(confidence=0.62))
    given = Estimate.objects.create(ticket=gate, reviewer=ben(), action="refund_fee", given_at=NOW)
    with pytest.raises(IntegrityError, match="one_estimate_by_a_person_on_a_ticket"), transaction.atomic():
        Estimate.objects.create(ticket=gate, reviewer=ben(), action="trace_top_up", given_at=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        Estimate.objects.filter(pk=given.pk).update(action="trace_top_up")
    with pytest.raises(DatabaseError), transaction.atomic():
        Estimate.objects.all().delete()
