"""The desk: what each person finds on it, what its filters do, and what it costs."""

import pytest
from django.urls import reverse
from django.utils import timezone

from reviews.domain.vocabulary import TicketKind
from reviews.models import Ticket
from reviews.services.claim import claim_ticket
from tests import factories as make

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true", "HX-Target": "queue"}


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def policy(now):
    return make.make_live_policy(now=now)


@pytest.fixture
def as_ana(client):
    client.force_login(make.ana())
    return client


def test_whoever_is_not_logged_in_is_sent_to_log_in(client):
    assert client.get("/").headers["Location"] == "/login/?next=/"
    assert client.get("/", headers=HX).headers["HX-Redirect"] == "/login/"


def test_the_desk_shows_what_waits_with_its_figures(as_ana, policy, now):
    make.submit_one(now=now)
    page = as_ana.get("/").content.decode()
    for shown in ("Refund fee", "Customer 77", "12.00", "0.62", "at least 0.85 needed", "low confidence", "1</b> open"):
        assert shown in page


def test_a_colleague_s_claim_is_shown_with_their_name(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    assert "Ben" in as_ana.get("/").content.decode()


def test_eve_finds_nothing(client, policy, now):
    make.submit_one(now=now)
    client.force_login(make.eve())
    page = client.get("/").content.decode()
    assert "Nothing waits for you." in page
    assert "Customer 77" not in page


def test_a_filter_in_the_address_narrows_the_queue(as_ana, policy, now):
    make.submit_one(now=now)
    assert "Customer 77" in as_ana.get("/?reason=low_confidence").content.decode()
    assert "Customer 77" not in as_ana.get("/?reason=high_value").content.decode()
    assert "Customer 77" in as_ana.get("/?reason=nonsense&after=nonsense").content.decode()


def test_no_filter_and_no_word_tells_a_known_answer_from_a_gate(as_ana, policy, now):
    ticket = make.gate_of(make.submit_one(now=now))
    as_a_gate = as_ana.get("/?kind=gate").content.decode()
    Ticket.objects.filter(pk=ticket.pk).update(kind=TicketKind.KNOWN_ANSWER)
    as_a_known_answer = as_ana.get("/?kind=gate").content.decode()
    assert "Customer 77" in as_a_gate
    assert "Customer 77" in as_a_known_answer
    assert "known answer" not in as_a_known_answer.lower()
    assert "known_answer" not in as_a_known_answer
    assert "Customer 77" in as_ana.get("/?kind=known_answer").content.decode(), "an unknown kind filters nothing"


def test_an_unchanged_desk_is_304_and_a_changed_one_is_not(as_ana, policy, now):
    make.submit_one(now=now)
    tag = as_ana.get("/", headers=HX).headers["ETag"]
    assert as_ana.get("/", headers={**HX, "If-None-Match": tag}).status_code == 304
    make.submit_one(now=now)
    assert as_ana.get("/", headers={**HX, "If-None-Match": tag}).status_code == 200


def test_a_refresh_is_answered_with_the_queue_alone(as_ana, policy, now):
    make.submit_one(now=now)
    fragment = as_ana.get("/", headers=HX).content.decode()
    assert fragment.strip().startswith("<section")
    assert "<html" not in fragment
    assert "HX-Request" in as_ana.get("/").headers["Vary"]


def test_hostile_text_in_a_row_is_inert(as_ana, policy, now):
    make.submit_one(now=now, subject={"type": "customer", "id": "x", "label": "<script>alert(1)</script>\u202egnp"})
    page = as_ana.get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert ">RLO<" in page


def test_the_desk_takes_as_many_queries_for_fifty_rows_as_for_one(as_ana, policy, now, django_assert_max_num_queries):
    for _ in range(3):
        make.submit_one(now=now)
    as_ana.get("/")
    with django_assert_max_num_queries(15):
        as_ana.get("/")
    for _ in range(20):
        make.submit_one(now=now)
    with django_assert_max_num_queries(15):
        as_ana.get("/")
    # A refresh has no frame around it.
    with django_assert_max_num_queries(8):
        as_ana.get("/", headers=HX)


def test_the_page_carries_no_inline_style_or_script(as_ana, policy, now):
    make.submit_one(now=now)
    page = as_ana.get("/").content.decode()
    assert " style=" not in page
    assert "<script>" not in page
    assert " onclick" not in page


def test_the_desk_is_at_the_root():
    assert reverse("desk") == "/"
