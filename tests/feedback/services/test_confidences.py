"""Confidences that are too high raise an alarm, which ends when they no longer are."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils.dateparse import parse_datetime

from feedback.domain.overconfidence import REMEMBERED
from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm, Label
from feedback.services import acknowledge_alarm, assess_autonomy
from feedback.services.confidences import watch_confidences
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Delivery, Endpoint, Event
from tests.factories import NOW, gate_of, later, make_client, make_live_policy, make_workflow, omar, submit_one
from tests.feedback.labelled import make_labels

pytestmark = pytest.mark.django_db
TWO_DAYS = later(days=2)
# Right in seven of eight where it says 0.95: an AI that is too sure.
WRONG = np.arange(600) % 8 == 0


@pytest.fixture(autouse=True)
def policy():
    make_live_policy()


def watched(now=NOW) -> list[Alarm]:
    return watch_confidences(make_workflow(), now=now)


def test_confidences_that_are_surely_too_high_raise_an_alarm_for_their_action_and_model():
    make_labels(WRONG)
    make_labels(WRONG, model=("support-router", "1.1"), confidence=0.9)
    (alarm,) = watched(later(hours=1))
    assert (alarm.kind, alarm.action) == (AlarmKind.CALIBRATION, "refund_fee")
    assert (alarm.model_name, alarm.model_version) == ("support-router", "1.0")
    assert alarm.message == (
        "refund_fee by support-router 1.0 is right less often than it says."
        " Between 0.9 and 1.0 it says 95\u00a0%, and 88\u00a0% [85–90\u00a0%] of 600 were right."
        " Over the whole scale: 95\u00a0%, and 88\u00a0% [85–90\u00a0%] of 600 were right."
    )
    assert alarm.evidence["bands"][0]["n"] == 600
    assert parse_datetime(alarm.evidence["since"]) == NOW


def test_the_alarm_leads_to_the_tickets_and_the_log_of_the_worst_band():
    ticket = gate_of(submit_one(confidence=0.62))
    labels = make_labels(WRONG)
    Label.objects.filter(pk=[label for label in labels if not label.ai_was_right][-1].pk).update(ticket=ticket)
    (alarm,) = watched(later(hours=1))
    (leading,) = alarm.evidence["leading"]
    assert (leading["label"], leading["count"]) == ("Wrong between 0.9 and 1.0", 75)
    assert leading["tickets"] == [str(ticket.pk)]
    assert alarm.evidence["log"] == {
        "workflow": "support",
        "action": "refund_fee",
        "model": "support-router",
        "model_version": "1.0",
        "band": "9",
    }


@pytest.mark.parametrize("changes", [{"flagged": False}, {"since": NOW - timedelta(days=100)}, {"confidence": 0.9}])
def test_what_nobody_drew_what_was_long_ago_and_what_is_as_it_says_raise_none(changes):
    make_labels(WRONG, **changes)
    assert watched(later(hours=1)) == []


def test_the_sweep_raises_it_and_systems_and_the_log_are_told():
    client, _ = make_client()
    endpoint = Endpoint.objects.create(client=client, url="https://agent.example/hook", secret="whsec_x")
    make_labels(WRONG)
    assert assess_autonomy(now=later(hours=1)) == (), "no autonomy is withdrawn for it"
    assert Alarm.objects.get().kind == AlarmKind.CALIBRATION
    event = Event.objects.get(kind=EventKind.ALARM_RAISED)
    assert '"model":{"name":"support-router","version":"1.0"}' in event.body
    assert Delivery.objects.get(endpoint=endpoint).type == WebhookType.ALARM_RAISED


def test_it_is_raised_once_and_stays_while_it_holds_acknowledged_or_not():
    make_labels(WRONG)
    (alarm,) = watched(later(hours=1))
    assert watched(TWO_DAYS) == []
    acknowledge_alarm(alarm, user=omar(), note="Its owner is told.", now=TWO_DAYS)
    assert watched(later(days=3)) == []
    alarm.refresh_from_db()
    assert (alarm.acknowledged_by, alarm.over_at) == (omar(), None)


def test_it_ends_by_itself_once_confidences_are_right_again_and_not_on_its_first_day():
    make_labels(WRONG)
    (alarm,) = watched(later(hours=1))
    make_labels(np.arange(REMEMBERED) % 25 == 0, since=later(hours=2))
    watched(later(hours=20))
    alarm.refresh_from_db()
    assert alarm.over_at is None
    watched(TWO_DAYS)
    alarm.refresh_from_db()
    assert alarm.over_at == TWO_DAYS
    assert "Too little in the last 5000 labels" in alarm.over_because
    assert Event.objects.filter(kind=EventKind.ALARM_ENDED).count() == 1
    assert watched(TWO_DAYS) == []


def test_it_ends_when_the_model_has_left():
    make_labels(WRONG)
    (alarm,) = watched(later(hours=1))
    watched(later(days=120))
    alarm.refresh_from_db()
    assert alarm.over_because == "Hardly any label of it came in the last 90 days."


def test_of_two_who_raise_it_at_once_one_does():
    make_labels(WRONG)
    watched(later(hours=1))
    with pytest.raises(Exception, match="one_open_alarm"):
        Alarm.objects.create(
            kind=AlarmKind.CALIBRATION,
            workflow=make_workflow(),
            action="refund_fee",
            model_name="support-router",
            model_version="1.0",
            message="Again.",
            raised_at=NOW,
        )
