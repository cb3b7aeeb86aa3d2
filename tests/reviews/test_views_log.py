"""The log: who reads it, what filters do, the story of a decision, and its files."""

import csv
import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.utils import timezone

from reviews.domain.vocabulary import EventKind
from reviews.models import Event
from reviews.queries import decisions
from reviews.services.claim import claim_ticket
from tests import factories as make
from tests.reviews.ticket_page import hidden_fields, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now() - timedelta(seconds=20)


@pytest.fixture
def policy(now):
    return make.make_live_policy(now=now)


@pytest.fixture
def as_ines(client):
    client.force_login(make.ines())
    return client


def body_of(answer) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("path", ["/log/", "/log.csv", "/log.jsonl"])
@pytest.mark.parametrize(("who", "status"), [(make.ines, 200), (make.omar, 200), (make.ana, 403), (make.eve, 403)])
def test_leads_and_auditors_read_the_log(client, policy, path, who, status):
    client.force_login(who())
    assert client.get(path).status_code == status


def test_the_log_tells_of_every_decision_whatever_its_route(as_ines, policy, now):
    make.submit_one(now=now, subject={"type": "customer", "id": "c-1", "label": "Waiting customer"})
    make.submit_one(now=now, confidence=0.99, subject={"type": "customer", "id": "c-2", "label": "Automatic customer"})
    page = as_ines.get("/log/").content.decode()
    for shown in ("Waiting customer", "waits for a person", "Automatic customer", "</span> alone"):
        assert shown in page


def test_filters_narrow_and_nonsense_filters_nothing(as_ines, policy, now):
    make.submit_one(now=now, external_id="the-one")
    make.submit_one(now=now, external_id="the-other", confidence=0.99)
    for query, shown in (
        ("route=auto", {"the-other"}),
        ("external_id=the-one", {"the-one"}),
        ("since=2020-01-01&until=2021-01-01", set()),
        ("band=9&policy=1", {"the-other"}),
        ("policy=0", set()),
        ("least=0.9&below=0.995", {"the-other"}),
        ("least=2&below=little", {"the-one", "the-other"}),
        ("band=12&policy=first", {"the-one", "the-other"}),
        ("route=nonsense&since=yesterday&after=x", {"the-one", "the-other"}),
    ):
        lines = body_of(as_ines.get(f"/log.jsonl?{query}")).splitlines()
        assert {json.loads(line)["external_id"] for line in lines} == shown, query


def test_a_filter_that_finds_nothing_on_the_way_offers_to_look_further(as_ines, policy, now, monkeypatch):
    monkeypatch.setattr(decisions, "LOOKED_THROUGH", 1)
    make.submit_one(now=now, confidence=0.95)
    make.submit_one(now=now)
    page = as_ines.get("/log/?band=9").content.decode()
    assert "Nothing among the 200000 decisions that were looked through; there are older ones." in page
    (address,) = re.findall(r'href="(\?[^"]+)">Look further back', page)
    assert "0.95" in as_ines.get(f"/log/{address.replace('&amp;', '&')}").content.decode()


def test_the_story_of_a_decision_is_told_in_order_with_who_and_why(client, policy, now):
    decision = make.submit_one(now=now)
    ticket = make.gate_of(decision)
    client.force_login(make.ana())
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    post(client, ticket, "verdict", {**hidden_fields(client, ticket), "reject": "wrong_facts", "note": "No such fee"})
    client.force_login(make.ines())
    page = client.get(f"/log/{decision.pk}/").content.decode()
    places = [page.index(each) for each in ("Decision submitted", "Ticket claimed", "Verdict given")]
    assert places == sorted(places)
    for shown in ("Support agent", "Ana", "Facts are wrong", "No such fee", "version 1"):
        assert shown in page


def test_a_decision_that_is_not_there_has_no_story(as_ines):
    assert as_ines.get("/log/00000000-0000-0000-0000-000000000000/").status_code == 404


def test_no_cell_of_the_csv_is_a_formula(as_ines, policy, now):
    make.submit_one(now=now, external_id="=cmd|' /C calc'!A0", subject={"type": "c", "id": "x", "label": "@SUM(1)"})
    header, row = list(csv.reader(StringIO(body_of(as_ines.get("/log.csv")))))
    assert row[header.index("external_id")] == "'=cmd|' /C calc'!A0"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def test_taking_the_log_out_is_in_the_log(as_ines, policy):
    as_ines.get("/log.csv?route=auto&subject=c-77")
    event = Event.objects.get(kind=EventKind.EXPORTED)
    assert event.user == make.ines()
    assert json.loads(event.body) == {"what": "log", "form": "csv", "filters": ["route", "subject"]}


def test_the_log_takes_as_many_queries_for_many_rows_as_for_one(as_ines, policy, now, django_assert_max_num_queries):
    for _ in range(2):
        make.submit_one(now=now)
    as_ines.get("/log/")
    for _ in range(2):
        with django_assert_max_num_queries(16):
            as_ines.get("/log/")
        for _ in range(15):
            make.submit_one(now=now)


def test_hostile_text_in_the_log_is_inert(as_ines, policy, now):
    hostile = "<script>alert(1)</script>\u202e"
    decision = make.submit_one(
        now=now, reasoning=hostile, subject={"type": "c", "id": "x", "label": hostile}, context={hostile: hostile}
    )
    for path in ("/log/", f"/log/{decision.pk}/"):
        page = as_ines.get(path).content.decode()
        assert "<script>alert" not in page
        assert "\u202e" not in page
