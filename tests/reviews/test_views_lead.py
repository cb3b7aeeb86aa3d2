"""The pages of leads: who may open them, what they show, and what their forms do without JavaScript."""

import pytest
from django.utils import timezone

from reviews.domain.vocabulary import TicketState
from reviews.models import Ticket
from reviews.services.claim import claim_ticket
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(autouse=True)
def policy(now):
    return make.make_live_policy(now=now)


@pytest.fixture
def ticket(now):
    return make.gate_of(make.submit_one(now=now))


@pytest.fixture
def as_omar(client):
    client.force_login(make.omar())
    return client


@pytest.mark.parametrize(
    ("who", "code"), [(make.ana, 403), (make.ben, 403), (make.ada, 403), (make.ines, 403), (make.eve, 403)]
)
def test_the_pages_of_leads_are_for_leads(client, ticket, who, code):
    client.force_login(who())
    of_ticket = f"/lead/tickets/{ticket.pk}/"
    assert client.get("/lead/").status_code == code
    assert client.get(of_ticket).status_code == code
    assert client.post(f"{of_ticket}end-claim", {"reason": "urgent"}).status_code == code
    assert client.post(f"{of_ticket}move", {"reason": "urgent", "group": make.ESCALATION}).status_code == code
    assert Ticket.objects.get(pk=ticket.pk).version == ticket.version
    assert 'href="/lead/"' not in client.get("/").content.decode()


def test_whoever_is_not_logged_in_is_sent_to_log_in(client, ticket):
    for path in ("/lead/", f"/lead/tickets/{ticket.pk}/"):
        assert client.get(path).headers["Location"].startswith("/login/")
    assert client.post(f"/lead/tickets/{ticket.pk}/move").headers["Location"].startswith("/login/")


def test_omar_sees_who_holds_what_and_ends_a_claim(as_omar, ticket, now):
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    page = as_omar.get("/lead/").content.decode()
    assert "Ana, " in page
    assert f'href="/lead/tickets/{ticket.pk}/"' in page
    asked = as_omar.get(f"/lead/tickets/{ticket.pk}/").content.decode()
    assert "The page of Ana says that you took it back" in asked
    assert "Move it to another group" not in asked
    done = as_omar.post(f"/lead/tickets/{ticket.pk}/end-claim", {"reason": "urgent"}, follow=True)
    assert done.redirect_chain == [("/lead/", 302)]
    assert "The claim is ended" in done.content.decode()
    assert Ticket.objects.get(pk=ticket.pk).state == TicketState.OPEN
    again = as_omar.post(f"/lead/tickets/{ticket.pk}/end-claim", {"reason": "urgent"})
    assert again.status_code == 409
    assert "Nobody holds this ticket." in again.content.decode()


def test_the_holder_s_page_says_that_the_claim_was_ended_and_by_whom(as_omar, client, ticket, now):
    epoch = claim_ticket(ticket.pk, reviewer=make.ana(), now=now).claim_epoch
    as_omar.post(f"/lead/tickets/{ticket.pk}/end-claim", {"reason": "urgent"})
    client.force_login(make.ana())
    renewed = client.post(f"/tickets/{ticket.pk}/renew", {"claim_epoch": epoch}, headers={"HX-Request": "true"})
    assert renewed.status_code == 409
    assert "Omar took this ticket back from you" in renewed.content.decode()


def test_omar_moves_a_ticket_to_a_group_of_its_workflow(as_omar, ticket):
    path = f"/lead/tickets/{ticket.pk}/"
    page = as_omar.get(path).content.decode()
    assert f'<option value="{make.ESCALATION}">' in page
    assert "End the claim" not in page
    done = as_omar.post(f"{path}move", {"group": make.ESCALATION, "reason": "load"}, follow=True)
    assert f"Moved to {make.ESCALATION}." in done.content.decode()
    assert Ticket.objects.get(pk=ticket.pk).group.name == make.ESCALATION


def test_a_form_without_group_or_reason_comes_back_and_says_so(as_omar, ticket, now):
    page = as_omar.post(f"/lead/tickets/{ticket.pk}/move", {"group": "Leads"})
    assert page.status_code == 422
    assert "Say why." in page.content.decode()
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    assert as_omar.post(f"/lead/tickets/{ticket.pk}/end-claim", {"reason": "whim"}).status_code == 422


def test_the_ticket_itself_leads_a_lead_to_what_they_can_do_and_nobody_else(as_omar, client, ticket, now):
    address = f'href="/lead/tickets/{ticket.pk}/"'
    page = as_omar.get(f"/tickets/{ticket.pk}/").content.decode()
    assert address in page
    assert "Move it" in page
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    assert "End the claim" in as_omar.get(f"/tickets/{ticket.pk}/").content.decode()
    client.force_login(make.ines())
    assert address not in client.get(f"/tickets/{ticket.pk}/").content.decode()


def test_a_group_s_queue_is_shown_on_request(as_omar, ticket):
    path = f"/lead/?group={ticket.group_id}"
    assert "Waits in Support" in as_omar.get(path).content.decode()
    assert "Customer 77" in as_omar.get(path).content.decode()
    assert as_omar.get("/lead/?group=x").status_code == 200


def test_the_lists_cost_the_same_whatever_is_in_them(as_omar, now, django_assert_max_num_queries):
    for number in range(6):
        ticket = make.gate_of(make.submit_one(now=now))
        if number % 2:
            claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    group = Ticket.objects.first().group_id
    as_omar.get("/lead/")
    with django_assert_max_num_queries(16):
        as_omar.get(f"/lead/?group={group}")
