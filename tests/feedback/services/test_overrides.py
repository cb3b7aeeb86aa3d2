"""An override rate that acts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm, Tally
from feedback.services import acknowledge_alarm
from feedback.services.overrides import watch_overrides
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Delivery, Endpoint, Event
from reviews.services.settle import settle_due
from tests.factories import NOW, ana, gate_of, later, make_client, make_live_policy, make_workflow, omar, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


def tally(approved: int, changed: int, *, action: str = "refund_fee", day=NOW) -> None:
    for verdict, count in (("approve", approved), ("reject", changed)):
        Tally.objects.create(
            day=day.date(),
            workflow=make_workflow(override_rate_limit=Decimal("0.2")),
            action=action,
            model_name="support-router",
            model_version="1.0",
            route="review",
            ticket_kind="gate",
            reviewer=ana(),
            verdict=verdict,
            count=count,
        )


def watched(now=NOW) -> list[Alarm]:
    return watch_overrides(make_workflow(), now=now)


def test_a_rate_that_is_surely_above_the_limit_raises_an_alarm_for_its_action():
    tally(60, 40)
    tally(90, 10, action="trace_top_up")
    (alarm,) = watched()
    assert (alarm.kind, alarm.action) == (AlarmKind.OVERRIDE_RATE, "refund_fee")
    assert alarm.message.startswith(
        "People changed 40\u00a0% [31–50\u00a0%] of 100 refund_fee in 28 days; 20\u00a0% is the limit."
    )


@pytest.mark.parametrize(("approved", "changed"), [(75, 25), (2, 7), (0, 0)])
def test_a_rate_that_may_be_chance_raises_none(approved, changed):
    tally(approved, changed)
    assert watched() == []


def test_what_was_long_ago_counts_no_more():
    tally(60, 40, day=NOW - timedelta(days=40))
    assert watched() == []


def test_the_alarm_names_the_reasons_that_lead_and_their_tickets():
    make_live_policy()
    tickets = []
    for reason in ("wrong_amount", "wrong_amount", "wrong_tone"):
        ticket = gate_of(submit_one(confidence=0.62))
        decide(ticket, ana(), "reject", reason_code=reason)
        tickets.append(str(ticket.pk))
    settle_due(now=later(minutes=1))
    tally(60, 40)
    (alarm,) = watched(later(minutes=2))
    assert "What leads: wrong amount (2), wrong tone or wording (1)." in alarm.message
    leading = alarm.evidence["leading"]
    assert [one["reason"] for one in leading] == ["wrong_amount", "wrong_tone"]
    assert set(leading[0]["tickets"]) == set(tickets[:2])


def test_the_systems_of_the_workflow_are_told():
    client, _ = make_client()
    endpoint = Endpoint.objects.create(client=client, url="https://agent.example/hook", secret="whsec_x")
    tally(60, 40)
    watched()
    event = Event.objects.get(kind=EventKind.ALARM_RAISED)
    delivery = Delivery.objects.get(endpoint=endpoint)
    assert (delivery.event, delivery.type) == (event, WebhookType.ALARM_RAISED)


def test_an_open_alarm_is_not_raised_again_acknowledged_or_not():
    tally(60, 40)
    (alarm,) = watched()
    assert watched() == []
    acknowledge_alarm(alarm, user=omar(), note="The prompt is being rewritten.", now=NOW)
    assert watched(later(days=8)) == []
    alarm.refresh_from_db()
    assert (alarm.acknowledged_at, alarm.over_at) == (NOW, None)


def test_it_ends_by_itself_once_the_rate_is_back_and_says_why():
    tally(60, 40)
    (alarm,) = watched()
    tally(240, 10, day=later(days=1))
    watched(later(hours=23))
    alarm.refresh_from_db()
    assert alarm.over_at is None, "it stands for a day at least"
    watched(later(days=2))
    alarm.refresh_from_db()
    assert alarm.over_at == later(days=2)
    assert (
        alarm.over_because
        == "People changed 14\u00a0% [11–18\u00a0%] of 350 in the last 28 days; 20\u00a0% is the limit."
    )
    assert Event.objects.filter(kind=EventKind.ALARM_ENDED, user=None).count() == 1


def test_a_rate_that_may_just_be_chance_neither_raises_nor_ends_an_alarm():
    tally(60, 40)
    (alarm,) = watched()
    tally(96, 4, day=later(days=1))
    assert watched(later(days=2)) == []
    alarm.refresh_from_db()
    assert alarm.over_at is None, "22 % of 200: the lower end is under the limit, the rate is not"


def test_it_ends_when_hardly_anybody_is_asked_any_more():
    tally(60, 40)
    (alarm,) = watched()
    watched(later(days=40))
    alarm.refresh_from_db()
    assert alarm.over_because == "People were asked about 0 in the last 28 days: too few to say."


def test_what_comes_back_is_raised_anew():
    tally(60, 40)
    (alarm,) = watched()
    watched(later(days=40))
    tally(60, 40, day=later(days=41))
    (again,) = watched(later(days=41))
    assert again.pk != alarm.pk
