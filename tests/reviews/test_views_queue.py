"""The desk: what each person finds on it, what its filters do, and what it costs."""

import pytest
from django.urls import reverse
from django.utils import timezone

from reviews.domain.vocabulary import TicketKind
from reviews.models import SavedFilter, Ticket
from reviews.services.claim import claim_ticket
from reviews.services.prefer import keep_filter
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
    with django_assert_max_num_queries(16):
        as_ana.get("/")
    for _ in range(20):
        make.submit_one(now=now)
    with django_assert_max_num_queries(16):
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


# ---- Saved filters --------------------------------------------------------------------------------------------------


def test_a_filter_is_kept_under_a_name_listed_as_a_link_and_deleted_again(as_ana, policy, now):
    make.submit_one(now=now)
    kept = as_ana.post("/filters", {"title": "Unsure ones", "filters": "reason=low_confidence&text="}, follow=True)
    assert kept.redirect_chain == [("/?reason=low_confidence", 302)]
    page = as_ana.get("/").content.decode()
    assert '<a href="/?reason=low_confidence">Unsure ones</a>' in page
    shown = as_ana.get("/?reason=low_confidence").content.decode()
    assert 'aria-current="page">Unsure ones</a>' in shown
    saved = SavedFilter.objects.get()
    assert f'action="/filters/{saved.pk}/delete"' in shown
    as_ana.post(f"/filters/{saved.pk}/delete")
    assert "Unsure ones" not in as_ana.get("/").content.decode().replace("The filter is deleted.", "")


def test_the_same_name_again_takes_the_new_filter(as_ana, policy):
    as_ana.post("/filters", {"title": "Mine", "filters": "reason=low_confidence"})
    as_ana.post("/filters", {"title": "Mine", "filters": "reason=high_value"})
    assert list(SavedFilter.objects.values_list("title", "query")) == [("Mine", "reason=high_value")]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"title": "", "filters": "reason=low_confidence"}, "Give the filter a name."),
        ({"title": "All", "filters": ""}, "There is no filter to keep"),
        ({"title": "Odd", "filters": "reason=nonsense"}, "There is no filter to keep"),
        ({"title": "x" * 81, "filters": "reason=low_confidence"}, "at most 80 characters"),
    ],
)
def test_a_filter_without_name_or_matter_is_refused_on_the_desk_itself(as_ana, policy, sent, said):
    page = as_ana.post("/filters", sent)
    assert page.status_code == 422
    assert said in page.content.decode()
    assert not SavedFilter.objects.exists()


def test_nobody_keeps_more_than_twenty(as_ana, policy):
    for number in range(20):
        keep_filter(make.ana(), title=f"{number}", query="text=a")
    assert as_ana.post("/filters", {"title": "One more", "filters": "text=b"}).status_code == 422
    assert as_ana.post("/filters", {"title": "7", "filters": "text=b"}).status_code == 302
    assert SavedFilter.objects.count() == 20


def test_nobody_sees_or_deletes_a_colleague_s_filter(as_ana, policy):
    ben_s = keep_filter(make.ben(), title="Ben's own", query="text=a")
    as_ana.post(f"/filters/{ben_s.pk}/delete")
    assert SavedFilter.objects.get() == ben_s
    assert "Ben" not in as_ana.get("/").content.decode()


def test_saving_and_deleting_are_posts_of_somebody_logged_in(as_ana, client):
    assert as_ana.get("/filters").status_code == 405
    client.logout()
    assert client.post("/filters", {"title": "a", "filters": "text=a"}).headers["Location"].startswith("/login/")
