"""Personal fields of a payload: seen by those whom the workflow asks, masked for everybody else who may look."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.domain.personal import redact
from reviews.services.claim import claim_ticket
from reviews.services.settle import settle_due
from tests import factories as make
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
SECRET = "Do you charge for topping up?"
EDITED = "Topping up is free."


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(autouse=True)
def policy(now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    workflow = make.make_workflow()
    make.make_action(workflow, personal_fields=["/message"], layout={"/message": "message"})
    return make.make_live_policy(workflow, now=now)


@pytest.fixture
def ticket(now):
    return make.gate_of(make.submit_one(now=now))


def lead_of_another_group():
    return make.make_user("lena", groups=[make.LEADS])


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        (make.ana, True),
        (make.ben, True),
        (make.omar, True),  # leads, and is in the escalation group
        (lead_of_another_group, False),
        (make.ada, False),
        (make.ines, False),
    ],
)
def test_on_the_ticket_they_are_for_those_whom_the_workflow_asks(client, ticket, who, sees):
    client.force_login(who())
    page = client.get(f"/tickets/{ticket.pk}/").content.decode()
    answer = client.get(f"/api/v1/tickets/{ticket.pk}").content.decode()
    for shown in (page, answer):
        assert (SECRET in shown) == sees
        assert ("•••" in shown) != sees
        assert "12.00" in shown


@pytest.mark.parametrize(("who", "sees"), [(make.omar, True), (lead_of_another_group, False), (make.ines, False)])
def test_the_story_masks_the_proposal_and_what_ran_instead(client, ticket, now, who, sees):
    payload = {"message": EDITED, "amount": "12.00", "currency": "EUR"}
    decide(ticket, make.ana(), "edit", now=now, payload=payload)
    settle_due(now=now + timedelta(hours=1))
    client.force_login(who())
    page = client.get(f"/log/{ticket.decision_id}/").content.decode()
    assert ("charge" in page) == sees
    assert ("free" in page) == sees
    assert ("•••" in page) != sees


def test_a_change_that_waits_to_be_confirmed_is_masked_too(client, now):
    make.make_live_policy(now=now, verdicts_needed=2)
    ticket = make.gate_of(make.submit_one(now=now))
    decide(ticket, make.ana(), "edit", now=now, payload={"message": EDITED, "amount": "11.00", "currency": "EUR"})
    client.force_login(make.ines())
    shown = json.loads(client.get(f"/api/v1/tickets/{ticket.pk}").content)
    assert EDITED not in json.dumps(shown)
    assert SECRET not in json.dumps(shown)
    assert "11.00" in json.dumps(shown)
    page = client.get(f"/tickets/{ticket.pk}/").content.decode()
    assert EDITED not in page
    assert SECRET not in page


def test_no_file_of_the_log_and_no_page_of_the_admin_has_them(client, ticket, now):
    decide(ticket, make.ana(), now=now)
    settle_due(now=now + timedelta(hours=1))
    client.force_login(make.ada())
    for name in ("csv", "jsonl"):
        assert SECRET not in b"".join(client.get(f"/log.{name}").streaming_content).decode()
    verdict = ticket.verdicts.get()
    for model, key in (("decision", ticket.decision_id), ("outcome", ticket.decision_id), ("verdict", verdict.pk)):
        page = client.get(f"/admin/reviews/{model}/{key}/change/")
        assert page.status_code == 200
        assert SECRET not in page.content.decode()


def test_whoever_holds_the_ticket_sees_the_whole_of_it(client, ticket, now):
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    client.force_login(make.ana())
    assert SECRET in client.get(f"/tickets/{ticket.pk}/").content.decode()


def test_the_one_who_asked_for_it_is_not_shown_it_for_having_an_office(client, now):
    make.omar()
    ticket = make.gate_of(make.submit_one(now=now, requested_by="omar@example.org"))
    client.force_login(make.omar())
    assert SECRET not in client.get(f"/tickets/{ticket.pk}/").content.decode()


def test_of_an_action_that_nobody_registered_every_known_personal_field_is_masked(client, now):
    ticket = make.gate_of(make.submit_one(now=now, action="unheard_of"))
    client.force_login(make.ines())
    assert SECRET not in client.get(f"/tickets/{ticket.pk}/").content.decode()


def test_where_the_whole_payload_is_personal_nothing_of_it_is_shown(client, ticket):
    make.make_workflow().actions.update(personal_fields=[""])
    client.force_login(make.ines())
    for path in (f"/tickets/{ticket.pk}/", f"/log/{ticket.decision_id}/", f"/api/v1/tickets/{ticket.pk}"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
        assert "•••" in answer.content.decode()


def test_a_mask_takes_the_place_of_a_list_a_member_or_the_whole():
    payload = {"to": [{"name": "K", "n": 1}, {"name": "L"}], "amount": "1"}
    assert redact(payload, ["/to/*/name"])["to"] == [{"name": "•••", "n": 1}, {"name": "•••"}]
    assert redact(payload, ["/to/1", "/absent", "/to/9"])["to"] == [{"name": "K", "n": 1}, "•••"]
    assert redact(payload, [""]) == "•••"
    assert payload["to"][0]["name"] == "K"
