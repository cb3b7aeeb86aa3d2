"""The pages of the sealed log: for those who oversee, and with proofs that hold."""

import html
import re

import pytest

from clients.python.verify_log import verify
from reviews.domain.merkle import leaf_hash, proves_inclusion
from reviews.domain.vocabulary import EventKind
from reviews.models import Checkpoint, Event
from reviews.services.record import record
from reviews.services.restored import note_restored_by_command
from reviews.services.seal import seal_events
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_ines(client):
    client.force_login(make.ines())
    return client


def shown(page, label):
    return html.unescape(re.search(rf'aria-label="{label}">(.*?)</pre>', page, re.DOTALL)[1])


@pytest.mark.parametrize(
    ("who", "code"), [(make.ines, 200), (make.omar, 200), (make.ada, 200), (make.ana, 403), (make.eve, 403)]
)
@pytest.mark.parametrize("path", ["/log/sealed/", "/log/sealed.jsonl", "/log/events/{}/"])
def test_those_who_oversee_read_the_sealed_log(client, who, code, path):
    event = record(EventKind.EXPORTED, now=NOW, body={})
    client.force_login(who())
    assert client.get(path.format(event.pk)).status_code == code


def test_before_anything_is_sealed_the_page_says_so(as_ines):
    assert "Nothing is sealed yet" in as_ines.get("/log/sealed/").content.decode()


def test_an_event_that_is_not_sealed_has_no_place_yet(as_ines):
    event = record(EventKind.EXPORTED, now=NOW, body={})
    assert "It is not sealed yet" in as_ines.get(f"/log/events/{event.pk}/").content.decode()


def test_an_event_that_is_not_there_has_no_page(as_ines):
    assert as_ines.get("/log/events/0/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_page_shows_the_newest_checkpoint_and_a_proof_that_holds(client):
    for number in range(5):
        event = record(EventKind.EXPORTED, now=NOW, body={"number": number, "text": "<b>&"})
    seal_events(now=NOW)
    head = Checkpoint.objects.get()
    client.force_login(make.ines())
    page = client.get("/log/sealed/").content.decode()
    assert shown(page, "The signed note") == head.note
    page = client.get(f"/log/events/{event.pk}/").content.decode()
    assert "4 of 5" in page
    proof = [bytes.fromhex(line) for line in shown(page, "The proof").split()]
    entry = re.sub("^<bdi[^>]*>|</bdi>$", "", shown(page, "The entry")).encode()
    assert proves_inclusion(leaf_hash(entry), index=4, size=5, proof=proof, root=bytes(head.root))
    assert shown(page, "The signed note") == head.note


@pytest.mark.django_db(transaction=True)
def test_what_is_taken_out_verifies_and_is_in_the_log(client):
    record(EventKind.EXPORTED, now=NOW, body={})
    seal_events(now=NOW)
    client.force_login(make.ines())
    lines = b"".join(client.get("/log/sealed.jsonl").streaming_content).splitlines()
    whole, _ = verify(lines, outside=[Checkpoint.objects.get().note])
    assert whole.tree.size == 1
    taken = Event.objects.latest("id")
    assert (taken.user, taken.kind) == (make.ines(), EventKind.EXPORTED)


def test_the_story_of_a_decision_leads_to_the_proof_of_each_event(as_ines):
    make.make_live_policy()
    decision = make.submit_one()
    page = as_ines.get(f"/log/{decision.pk}/").content.decode()
    for event in Event.objects.filter(decision=decision):
        assert f'href="/log/events/{event.pk}/"' in page


def test_while_restored_the_page_says_what_to_do(as_ines):
    note_restored_by_command(now=NOW)
    page = as_ines.get("/log/sealed/").content.decode()
    assert "To end RESTORED" in page
    assert "acknowledge_restore" in page
