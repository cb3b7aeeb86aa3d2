"""Planned looks: once, at labels that were not there before, whatever comes of it."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import IntegrityError, transaction

from feedback.models import Certificate, Look
from feedback.queries.labels import Scope
from feedback.services import CertificateOver, LookRefused, NotAllowed, draft_from, plan_look, take_looks, withdraw_look
from feedback.services.looks import LARGEST, smallest
from policies.domain.vocabulary import Autonomy
from policies.models import PolicyVersion
from reviews.domain.vocabulary import EventKind
from reviews.models import Event
from tests.concurrency import at_once
from tests.factories import ada, ana, later, make_live_policy, make_workflow, omar
from tests.feedback.labelled import make_labels

pytestmark = pytest.mark.django_db
PLANNED, READY = later(hours=2), later(hours=4)


@pytest.fixture(autouse=True)
def policy():
    make_live_policy(autonomy=Autonomy.NEVER, least_confidence=None, basis_reason="")


def scope(**changes) -> Scope:
    named = {"workflow": make_workflow(), "action": "refund_fee", "model_name": "support-router"}
    return Scope(**{**named, "model_version": "1.0", **changes})


def before(n: int = 400) -> None:
    make_labels(np.zeros(n, dtype=bool), confidence=np.linspace(0.6, 1, n))


def arrive(n: int, *, wrong: int = 0, since=PLANNED) -> None:
    error = np.zeros(n, dtype=bool)
    if wrong:
        error[:: n // wrong] = True
    make_labels(error, confidence=np.tile(np.linspace(0.6, 1, 50), n // 50 + 1)[:n], since=since)


def plan(*, alpha: float = 0.02, n: int = 600, user=None, now=PLANNED) -> Look:
    return plan_look(scope(), alpha=alpha, n=n, user=user or ada(), now=now)


def test_until_its_decisions_are_there_it_tells_how_many_and_nothing_else():
    before()
    look = plan()
    arrive(599)
    assert take_looks(now=READY) == ()
    look.refresh_from_db()
    assert (look.seen, look.taken_at, look.certificate) == (599, None, None)
    assert not Certificate.objects.exists()


def test_it_is_taken_once_and_gives_a_certificate_that_a_draft_stands_on():
    before()
    look = plan()
    arrive(700)
    assert take_looks(now=READY) == (look,)
    look.refresh_from_db()
    certificate = look.certificate
    assert (look.seen, look.taken_at) == (600, READY)
    assert (certificate.method, certificate.errors, certificate.detail["sample"]) == ("multi_start", 0, 600)
    assert certificate.bound <= 0.02
    assert take_looks(now=later(hours=5)) == ()
    row = draft_from(certificate, author=ada(), now=READY).thresholds.get(action__key="refund_fee")
    assert (float(row.least_confidence), row.certificate_digest) == (certificate.threshold, certificate.digest)
    assert PolicyVersion.objects.live().get().number == 1, "nothing is published by itself"
    kinds = Event.objects.filter(kind__startswith="look.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == [EventKind.LOOK_PLANNED, EventKind.LOOK_TAKEN]


def test_where_nothing_qualifies_it_is_spent_as_well_and_says_why():
    before()
    look = plan()
    arrive(600, wrong=100)
    take_looks(now=READY)
    look.refresh_from_db()
    assert look.taken_at == READY
    assert look.certificate is None
    assert look.why_none.startswith("Too many errors")
    arrive(2000, since=later(hours=5))
    assert take_looks(now=later(hours=9)) == (), "better labels come too late for it"


def test_only_the_first_n_that_arrived_after_it_was_planned_are_looked_at():
    before()
    look = plan()
    arrive(600)
    arrive(300, wrong=300, since=PLANNED + timedelta(hours=1))
    take_looks(now=READY)
    look.refresh_from_db()
    assert look.certificate.errors == 0
    another = plan(now=READY)
    take_looks(now=later(hours=5))
    another.refresh_from_db()
    assert another.seen == 0, "what one look has seen is not seen by the next"


def test_one_look_waits_at_a_time_and_another_may_follow_it():
    before()
    plan()
    with pytest.raises(LookRefused, match="waits already"):
        plan(alpha=0.05)
    arrive(600)
    take_looks(now=READY)
    assert plan(now=later(hours=5)).taken_at is None


@pytest.mark.parametrize("n", [smallest(0.02) - 1, LARGEST + 1])
def test_a_look_that_could_show_nothing_is_refused(n):
    before()
    with pytest.raises(
        LookRefused, match="2\N{NO-BREAK SPACE}% takes 217 decisions at least, and 1,000,000 at most"
    ) as refused:
        plan(n=n)
    assert refused.value.field == "n"


def test_without_a_label_before_nothing_says_where_testing_begins():
    with pytest.raises(LookRefused, match="No decision of the random sample has a label yet"):
        plan()


def test_withdrawn_before_it_was_taken_it_is_never_taken():
    before()
    look = plan()
    withdraw_look(look, why="The model is replaced.", user=ada(), now=later(hours=3))
    arrive(600)
    assert take_looks(now=READY) == ()
    with pytest.raises(LookRefused, match="already"):
        withdraw_look(look, why="Again.", user=ada(), now=READY)
    assert Event.objects.filter(kind=EventKind.LOOK_WITHDRAWN, user=ada()).count() == 1
    assert plan(now=READY), "and another may be planned"


def test_what_was_taken_is_not_withdrawn():
    before()
    look = plan()
    arrive(600)
    take_looks(now=READY)
    with pytest.raises(LookRefused):
        withdraw_look(look, why="It went badly.", user=ada(), now=READY)
    with pytest.raises(IntegrityError), transaction.atomic():
        Look.objects.filter(pk=look.pk).update(withdrawn_at=READY)


def test_no_draft_stands_on_a_certificate_that_is_over():
    before()
    look = plan()
    arrive(600)
    take_looks(now=READY)
    look.refresh_from_db()
    with pytest.raises(CertificateOver):
        draft_from(look.certificate, author=ada(), now=later(days=91))


@pytest.mark.parametrize("who", [ana, omar])
def test_only_admins_plan_and_withdraw(who):
    before()
    with pytest.raises(NotAllowed):
        plan(user=who())
    look = plan()
    with pytest.raises(NotAllowed):
        withdraw_look(look, why="No.", user=who(), now=READY)


@pytest.mark.django_db(transaction=True)
def test_two_workers_take_it_once():
    before()
    plan()
    arrive(600)
    taken = at_once(4, lambda _: take_looks(now=READY))
    assert sorted(map(len, taken)) == [0, 0, 0, 1]
    assert Certificate.objects.count() == 1
