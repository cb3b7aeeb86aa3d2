"""What the demonstration shows a newcomer besides its pages."""

import json
from datetime import timedelta

import pytest

from feedback.management import demo
from feedback.management.commands.load_demo import load_channels, load_users, load_workflow
from policies.models import PolicyVersion
from reviews.models import Channel
from reviews.services.claim import claim_ticket
from reviews.services.decide import escalate_ticket
from reviews.services.deliver import deliver_due
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(settings, tmp_path):
    """Where `up` has e-mail written."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


def load_the_channels() -> None:
    load_channels(json.loads((demo.STREAMS / "workflows.json").read_text()))


def test_an_escalation_is_in_the_mailbox_of_who_is_to_answer_next(mail):
    workflow = make.make_workflow()
    make.make_live_policy(workflow)
    make.omar().groups.add(workflow.escalation_group)
    load_the_channels()
    mailbox = demo.Mailbox(mail)
    ticket = make.gate_of(make.submit_one(confidence=0.1))
    claim = claim_ticket(ticket.pk, reviewer=make.ana(), now=NOW)
    escalate_ticket(ticket.pk, reviewer=make.ana(), epoch=claim.claim_epoch, note="Hm.", now=NOW)
    assert list(mailbox.news()) == []
    deliver_due(now=NOW + timedelta(minutes=1))
    subject = "[Countersign] Support: a ticket (Refund fee) was passed on by a reviewer and is escalated."
    link = f"http://localhost:8000/tickets/{ticket.pk}/"
    assert list(mailbox.news()) == [f"mail to omar@example.org: {subject} {link}"]
    assert list(mailbox.news()) == []
    assert list(demo.Mailbox(mail).news()) == []  # what was there at the start is old news


def test_a_second_start_adds_no_channel_and_leaves_what_an_admin_changed():
    load_the_channels()
    Channel.objects.update(active=False)
    load_the_channels()
    assert Channel.objects.get().active is False


def test_its_policies_are_published_by_another_admin_than_wrote_them(settings):
    settings.POLICY_TWO_ADMINS = True
    plan = json.loads((demo.STREAMS / "workflows.json").read_text())
    load_users(plan, {})
    for workflow in plan["workflows"]:
        load_workflow(workflow, now=NOW)
    assert PolicyVersion.objects.filter(status="live").count() == len(plan["workflows"])
