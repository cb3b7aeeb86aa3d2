"""Whatever happens to a gate, nothing lets its action run but a person's verdict."""

import random
from datetime import timedelta

import pytest

from reviews.domain.lifecycle import is_final
from reviews.domain.vocabulary import MAY_RUN, TicketState
from reviews.models import Outcome, Ticket, Verdict
from reviews.services.ask import NothingToAnswer, answer_question, ask_upstream
from reviews.services.claim import ClaimError, claim_next, claim_ticket, release_claim, renew_claim, skip_ticket
from reviews.services.decide import escalate_ticket, give_verdict, undo_verdict
from reviews.services.settle import (
    AlreadySettled,
    cancel_decision,
    escalate_due,
    expire_due,
    lapse_due,
    settle_due,
    settle_if_over,
)
from reviews.services.sweep import sweep_once
from tests.factories import NOW, ana, ben, gate_of, make_live_policy, omar, submit_one
from tests.reviewing import answer_to

pytestmark = pytest.mark.django_db

REFUSALS = (ClaimError, NothingToAnswer, AlreadySettled)


def lapse(gate, *, now, **_):
    Ticket.objects.filter(pk=gate.pk, state=TicketState.CLAIMED).update(claimed_until=NOW - timedelta(days=1))
    lapse_due(now=now)


WITHOUT_A_VERDICT = {
    "next": lambda gate, person, now, **_: claim_next(reviewer=person, now=now),
    "claim": lambda gate, person, now, **_: claim_ticket(gate.pk, reviewer=person, now=now),
    "renew": lambda gate, person, epoch, now: renew_claim(gate.pk, reviewer=person, epoch=epoch, now=now),
    "release": lambda gate, person, epoch, now: release_claim(gate.pk, reviewer=person, epoch=epoch, now=now),
    "skip": lambda gate, person, epoch, now: skip_ticket(gate.pk, reviewer=person, epoch=epoch, now=now),
    "ask": lambda gate, person, epoch, now: ask_upstream(gate.pk, reviewer=person, epoch=epoch, text="?", now=now),
    "escalate": lambda gate, person, epoch, now: escalate_ticket(
        gate.pk, reviewer=person, epoch=epoch, note="", now=now
    ),
    "undo": lambda gate, person, now, **_: undo_verdict(gate.pk, reviewer=person, now=now),
    "answer": lambda gate, now, **_: answer_question(
        gate.decision_id, client=gate.decision.client, text="!", context=None, now=now
    ),
    "lapse": lapse,
    "due": lambda gate, now, **_: escalate_due(now=now),
    "settle": lambda gate, now, **_: settle_due(now=now),
    "read": lambda gate, now, **_: settle_if_over(Ticket.objects.get(pk=gate.pk), now=now),
    "sweep": lambda gate, now, **_: sweep_once(now=now),
    "expire": lambda gate, now, **_: expire_due(now=now),
    "cancel": lambda gate, now, **_: cancel_decision(gate.decision_id, client=gate.decision.client, reason="", now=now),
}


def walk(gate: Ticket, steps, chance: random.Random) -> None:
    """Take the steps one after another, minutes or days apart, by whoever comes by."""
    now = NOW
    for step in steps:
        now += timedelta(minutes=chance.choice([1, 1, 9, 70, 3000]))
        epoch = Ticket.objects.get(pk=gate.pk).claim_epoch
        try:
            WITHOUT_A_VERDICT[step](gate=gate, person=chance.choice([ana(), ben(), omar()]), epoch=epoch, now=now)
        except REFUSALS:
            continue


@pytest.mark.parametrize("seed", range(25))
def test_no_way_through_the_services_approves_without_a_person(seed):
    chance = random.Random(seed)
    make_live_policy(verdicts_needed=chance.choice([1, 2]))
    deadline = chance.choice([None, "2026-03-02T12:00:00Z"])
    gate = gate_of(submit_one(deadline=deadline))
    walk(gate, chance.choices(list(WITHOUT_A_VERDICT), k=25), chance)
    assert not Verdict.objects.exists()
    assert not Outcome.objects.filter(kind__in=MAY_RUN).exists()
    ended = Outcome.objects.filter(decision=gate.decision_id).exists()
    assert ended is is_final(Ticket.objects.get(pk=gate.pk).state)


@pytest.mark.parametrize("seed", range(10))
def test_one_of_two_verdicts_is_not_enough_however_long_one_waits(seed):
    chance = random.Random(seed)
    make_live_policy(verdicts_needed=2)
    gate = gate_of(submit_one())
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    give_verdict(gate.pk, reviewer=ana(), answer=answer_to(gate, ana()), now=NOW + timedelta(seconds=1))
    walk(gate, chance.choices(list(WITHOUT_A_VERDICT), k=25), chance)
    assert not Outcome.objects.filter(kind__in=MAY_RUN).exists()


def test_the_walks_reach_every_state_that_is_reached_without_a_verdict():
    """Or the tests above would show nothing."""
    seen = set()
    for seed in range(12):
        chance = random.Random(seed)
        make_live_policy()
        gate = gate_of(submit_one(deadline=chance.choice([None, "2026-03-02T12:00:00Z"])))
        for step in chance.choices(list(WITHOUT_A_VERDICT), k=12):
            walk(gate, [step], chance)
            seen.add(Ticket.objects.get(pk=gate.pk).state)
    assert seen == {"open", "claimed", "waiting", "withdrawn", "expired"}
