"""Who is told of what, in which words, and who is not."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail as outbox

from policies import services as policies
from policies.models import Workflow
from reviews.domain.vocabulary import ChannelKind, DeliveryState, EventKind, Notice
from reviews.models import Channel, Delivery, Endpoint, ReviewerProfile, Ticket
from reviews.services.claim import claim_ticket
from reviews.services.decide import escalate_ticket
from reviews.services.deliver import deliver_due
from reviews.services.mail import mail
from reviews.services.record import record
from reviews.services.remind import remind_due
from reviews.services.settle import escalate_due
from reviews.services.sweep import tell_policy_changes
from tests import factories as make
from tests.factories import NOW
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def workflow() -> Workflow:
    """Support, with 100 minutes for a ticket; Ana and Ben review, Omar and Lea have what is escalated."""
    workflow = make.make_workflow(sla_minutes=100)
    make.make_live_policy(workflow)
    make.ana(), make.ben(), make.omar(), make.ada()
    make.make_user("lea", groups=[workflow.escalation_group.name])
    return workflow


def by_mail(*notices: Notice, **fields) -> Channel:
    return Channel.objects.create(
        title=f"Mail {Channel.objects.count()}", kind=ChannelKind.EMAIL, notices=list(notices), **fields
    )


def waiting(**changes) -> Ticket:
    return make.gate_of(make.submit_one(confidence=0.1, **changes))


def written_to() -> list[str]:
    """The addresses of what waits in the outbox."""
    return sorted(
        delivery.recipient.email if delivery.recipient else delivery.channel.address
        for delivery in Delivery.objects.filter(channel__isnull=False).select_related("recipient", "channel")
    )


def sent(*, now=NOW + timedelta(days=1)) -> list[tuple[str, str]]:
    """What leaves by then: to whom, and which subject."""
    deliver_due(now=now)
    return sorted((message.to[0], message.subject) for message in outbox.outbox)


def test_a_reminder_goes_to_each_member_of_the_group_but_who_is_away_and_the_requester(workflow):
    by_mail(Notice.TICKET_REMINDED)
    make.make_user("cleo", groups=[workflow.review_group.name], email="")
    gone = make.make_user("dora", groups=[workflow.review_group.name])
    User.objects.filter(pk=gone.pk).update(is_active=False)
    waiting(requested_by=make.ben().email)
    remind_due(now=NOW + 50 * MINUTE)
    assert written_to() == ["ana@example.org"]

    ReviewerProfile.objects.create(user=make.ana(), away=True)
    waiting()
    remind_due(now=NOW + 50 * MINUTE)
    assert Delivery.objects.filter(recipient=make.ana()).get().count == 1
    assert written_to() == ["ana@example.org", "ben@example.org"]


def test_who_gave_the_first_verdict_is_not_told_of_the_second_stage(workflow):
    by_mail(Notice.TICKET_REMINDED)
    make.make_live_policy(workflow, verdicts_needed=2)
    ticket = waiting()
    decide(ticket, make.ana(), now=NOW + MINUTE)
    remind_due(now=NOW + 50 * MINUTE)
    assert written_to() == ["ben@example.org"]


def test_what_is_escalated_goes_to_the_escalation_group_with_no_word_of_what_was_submitted(workflow):
    by_mail(Notice.TICKET_ESCALATED)
    ticket = waiting(subject={"type": "customer", "id": "c-77", "label": "Mrs Secret"}, reasoning="Private grounds")
    escalate_due(now=NOW + 100 * MINUTE)
    escalated = [person.email for person in workflow.escalation_group.user_set.all()]
    assert written_to() == sorted(escalated)
    assert sent()[0][1] == "[Countersign] Support: a ticket (Refund fee) has waited past its time and is escalated."
    text = outbox.outbox[0].body
    assert f"http://localhost:8000/tickets/{ticket.pk}/" in text
    told = json.dumps([message.subject + message.body for message in outbox.outbox])
    for private in ("Secret", "c-77", "Private", "topping", ticket.decision.external_id):
        assert private not in told


def test_a_reviewer_who_escalates_causes_the_same(workflow):
    by_mail(Notice.TICKET_ESCALATED, address="desk@example.org")
    ticket = waiting()
    claim = claim_ticket(ticket.pk, reviewer=make.ana(), now=NOW)
    escalate_ticket(ticket.pk, reviewer=make.ana(), epoch=claim.claim_epoch, note="Hm, <@here>.", now=NOW)
    assert sent() == [
        (
            "desk@example.org",
            "[Countersign] Support: a ticket (Refund fee) was passed on by a reviewer and is escalated.",
        )
    ]


def test_an_action_that_nobody_registered_is_not_named(workflow):
    by_mail(Notice.TICKET_ESCALATED, address="desk@example.org")
    waiting(action="ignore-all_rules")
    escalate_due(now=NOW + 100 * MINUTE)
    assert sent()[0][1] == "[Countersign] Support: a ticket has waited past its time and is escalated."


def test_many_tickets_that_fall_due_together_are_one_message(workflow):
    by_mail(Notice.TICKET_ESCALATED, address="desk@example.org")
    for _ in range(12):
        waiting()
    escalate_due(now=NOW + 100 * MINUTE)
    (delivery,) = Delivery.objects.all()
    assert delivery.count == 12
    assert deliver_due(now=NOW + 100 * MINUTE) == 0  # it waits for more
    waiting()
    escalate_due(now=NOW + 101 * MINUTE)  # too late for that one
    assert sent() == [
        ("desk@example.org", "[Countersign] Support: 12 tickets are escalated."),
        ("desk@example.org", "[Countersign] Support: a ticket (Refund fee) has waited past its time and is escalated."),
    ]
    assert any("http://localhost:8000/\n" in message.body for message in outbox.outbox)


def test_a_mailbox_that_is_the_requesters_is_not_written_to(workflow):
    by_mail(Notice.TICKET_REMINDED, address="Ben@example.org")
    waiting(requested_by=make.ben().email)
    remind_due(now=NOW + 50 * MINUTE)
    assert written_to() == []


def test_a_channel_hears_of_its_own_workflow_and_of_what_concerns_all(workflow):
    refunds = make.make_workflow("refunds", title="Refunds")
    by_mail(Notice.STOP, address="support@example.org", workflow=workflow)
    by_mail(Notice.STOP, address="refunds@example.org", workflow=refunds)
    by_mail(Notice.ALARM_RAISED, address="alarms@example.org")
    by_mail(Notice.STOP, address="nobody@example.org", active=False)
    policies.pause(workflow, actor=make.omar(), reason="Complaints of Mrs X.", now=NOW)
    policies.resume(workflow, actor=make.omar(), reason="Dealt with.", now=NOW)
    policies.pause(None, actor=make.ada(), reason="Drill.", now=NOW)
    tell_policy_changes(now=NOW)
    assert sent() == [
        ("refunds@example.org", "[Countersign] Everything is paused: nothing of it runs alone, by Ada."),
        ("support@example.org", "[Countersign] Everything is paused: nothing of it runs alone, by Ada."),
        ("support@example.org", "[Countersign] Support is paused: nothing of it runs alone, by Omar."),
        ("support@example.org", "[Countersign] Support runs by its policy again, by Omar."),
    ]
    assert "Complaints" not in "".join(message.body for message in outbox.outbox)


def test_withdrawn_autonomy_and_alarms_go_to_leads_and_admins_where_there_is_no_mailbox(workflow):
    by_mail(Notice.AUTONOMY_WITHDRAWN, Notice.ALARM_RAISED)
    policies.withdraw_autonomy(
        workflow, action="", model_name="", model_version="", reason="Errors.", evidence={}, now=NOW
    )
    tell_policy_changes(now=NOW)
    body = {"alarm": 1, "kind": "override_rate", "workflow": "support", "action": "refund_fee"}
    record(EventKind.ALARM_RAISED, now=NOW, workflow=workflow, body=body)
    said = "[Countersign] Support: evidence withdrew autonomy. Version 2 is in force; people decide."
    alarm = "[Countersign] Support: an alarm is raised: override rate (Refund fee)."
    assert sent() == [
        ("ada@example.org", alarm),
        ("ada@example.org", said),
        ("omar@example.org", alarm),
        ("omar@example.org", said),
    ]
    assert "http://localhost:8000/insights/?workflow=support" in "".join(each.body for each in outbox.outbox)


def test_of_an_endpoint_that_is_disabled_admins_hear_by_another_way(workflow):
    by_mail(Notice.ENDPOINT_DISABLED, address="admins@example.org")
    endpoint = Endpoint.objects.create(
        client=make.make_client()[0], url="https://example.org/hook", secret="whsec_eA=="
    )
    body = {"what": "endpoint_disabled", "endpoint": endpoint.pk, "status": 410}
    record(EventKind.ALARM_RAISED, now=NOW, client=endpoint.client, body=body)
    assert sent() == [
        (
            "admins@example.org",
            f"[Countersign] A webhook endpoint of {endpoint.client.name} is disabled: nothing is sent to it any more.",
        )
    ]
    assert f"/admin/reviews/endpoint/{endpoint.pk}/change/" in outbox.outbox[0].body


def test_without_a_mail_server_the_try_says_so_and_comes_again(workflow, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    channel = by_mail(Notice.STOP, address="desk@example.org")
    policies.pause(workflow, actor=make.omar(), reason="Drill.", now=NOW)
    tell_policy_changes(now=NOW)
    deliver_due(now=NOW)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts_made) == (DeliveryState.WAITING, 1)
    assert delivery.attempts.get().error == "EMAIL_URL is not set."
    channel.refresh_from_db()
    assert channel.failing_since is not None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert len(sent()) == 1
    assert outbox.outbox[0].extra_headers == {"Message-ID": f"<{delivery.pk}@countersign>"}
    channel.refresh_from_db()
    assert channel.failing_since is None


def test_a_mail_server_that_cannot_be_reached_is_in_the_answer(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    answered = mail("desk@example.org", message_id="1", subject="Test", text="Test")
    assert answered.status is None
    assert "ConnectionRefusedError" in answered.error


def test_a_break_in_a_header_is_refused(settings):
    assert (
        "BadHeaderError" in mail("desk@example.org", message_id="1", subject="One\nBcc: all@example.org", text="").error
    )
