"""Reads the log of what was settled, and keeps what it teaches: labels and tallies."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from feedback.domain.findings import RANK, Finding, Given, band_of, finding_of, label_probability
from feedback.domain.vocabulary import LabelSource
from feedback.models import Awaited, Collector, Label
from policies.domain.vocabulary import Route, VerdictKind
from reviews.domain.judgement import Choice
from reviews.domain.vocabulary import EventKind, TicketKind, TicketState
from reviews.models import Decision, Ticket, Truth, Verdict
from reviews.services.second_opinion import ask_again

# How many events a transaction takes in, and how many such stretches one call: then others have their turn.
STRETCH = 2_000
MOST_STRETCHES = 25
# What came longer ago says nothing of the queue as it is.
NEWS = timedelta(hours=1)
SOURCES = {
    TicketKind.GATE: LabelSource.GATE,
    TicketKind.AUDIT: LabelSource.AUDIT,
    TicketKind.SECOND_OPINION: LabelSource.SECOND_OPINION,
}
SETTLING = (EventKind.OUTCOME_SETTLED, EventKind.TICKET_SETTLED)


@dataclass(slots=True)
class Collected:
    """What a call took in. `more` says that the log went on: call again."""

    events: int = 0
    labels: int = 0
    workflows: set[int] = field(default_factory=set)  # ids of those that have new labels
    escalated: dict[int, list[UUID]] = field(default_factory=dict)  # decisions that came for a person, by workflow
    more: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the log, and what it is about."""

    epoch: int
    xid: int
    event: int
    kind: str
    decision_id: UUID | None
    ticket_id: UUID | None


@dataclass(slots=True)
class Amount:
    """What is added to a tally."""

    count: int = 0
    in_time: int = 0
    seconds: float = 0.0

    def add(self, ticket: Ticket, verdict: Verdict) -> None:
        self.count += 1
        self.in_time += verdict.decided_at <= ticket.due_at
        self.seconds += (verdict.decided_at - verdict.first_shown_at).total_seconds()


def collect_labels(*, now: datetime, stretches: int = MOST_STRETCHES, stretch: int = STRETCH) -> Collected:
    """Take in what was submitted, settled and reported since the last call, in the order of the log.

    Writes Labels, Tallies and ReasonTallies, and opens second opinions, together with the place in the log up to which
    they count, so that no event counts twice, whoever else collects and wherever it stops. Does nothing while another
    worker collects.
    """
    collected = Collected()
    for _ in range(stretches):
        with transaction.atomic():
            place = _locked_place()
            if place is None:
                return collected
            events = _next_events(place, limit=stretch)
            _take_in(events, now=now, collected=collected)
            _move_on(place, events)
        collected.events += len(events)
        collected.more = len(events) == stretch
        if not collected.more:
            break
    return collected


def _locked_place() -> Collector | None:
    Collector.objects.get_or_create(pk=1)
    return Collector.objects.select_for_update(skip_locked=True).filter(pk=1).first()


# A transaction that still runs may yet write before this place: nothing from its id on is read. A past epoch was
# restored whole, so that nothing in it runs any more.
_NEXT = """
    SELECT e.epoch, e.xid::text::bigint, e.id, e.kind, e.decision_id, e.ticket_id
      FROM reviews_event e
     WHERE e.epoch = %(epoch)s AND (e.xid, e.id) > (%(xid)s::text::xid8, %(event)s)
       AND (%(is_past)s OR e.xid < pg_snapshot_xmin(pg_current_snapshot()))
     ORDER BY e.xid, e.id
     LIMIT %(limit)s
"""


def _next_events(place: Collector, *, limit: int) -> list[Happened]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM reviews_event ORDER BY id DESC LIMIT 1")
        newest = (cursor.fetchone() or (place.epoch,))[0]
        while True:
            values: dict[str, str | int | bool] = {
                "epoch": place.epoch,
                "xid": str(place.xid),
                "event": place.event,
                "is_past": place.epoch < newest,
                "limit": limit,
            }
            cursor.execute(_NEXT, values)
            events = [Happened(*row) for row in cursor.fetchall()]
            if events or place.epoch >= newest:
                return events
            place.epoch, place.xid, place.event = place.epoch + 1, 0, 0


def _move_on(place: Collector, events: Sequence[Happened]) -> None:
    if events:
        place.epoch, place.xid, place.event = events[-1].epoch, events[-1].xid, events[-1].event
    place.save(update_fields=["epoch", "xid", "event"])


def _take_in(events: Sequence[Happened], *, now: datetime, collected: Collected) -> None:
    """Known answers drop out here: no query of `Decision.objects` gives one."""
    submitted = _told_of(events, EventKind.DECISION_SUBMITTED)
    reported = _told_of(events, EventKind.TRUTH_REPORTED)
    # What settled without a ticket ran alone, and was counted when it arrived.
    closing = [event for event in events if event.ticket_id and event.kind in SETTLING]
    tickets = {event.ticket_id for event in closing if event.ticket_id}
    decisions = _decisions(submitted | reported | _told_of(closing, *SETTLING))
    tallies: dict[tuple[Any, ...], Amount] = defaultdict(Amount)
    reasons: Counter[tuple[Any, ...]] = Counter()
    labels: list[Label] = []
    arrived = [decisions[decision_id] for decision_id in submitted & decisions.keys()]
    for decision in arrived:
        tallies[_arrival(decision)].count += 1
        if decision.route == Route.REVIEW and now - decision.received_at < NEWS:
            collected.escalated.setdefault(decision.workflow_id, []).append(decision.pk)
    for ticket, verdicts in _settled_tickets(tickets, decisions):
        decision, last = decisions[ticket.decision_id], verdicts[-1]
        finding = _finding(decision, verdicts)
        tallies[_settlement(decision, ticket, reviewer=last.reviewer_id, verdict=finding.kind)].add(ticket, last)
        if ticket.kind == TicketKind.GATE:
            for code in {reason["code"] for reason in decision.reasons}:
                reasons[_reason(decision, ticket, code=code, verdict=finding.kind)] += 1
        labels.append(_label(decision, SOURCES[TicketKind(ticket.kind)], ticket=ticket, finding=finding))
    ask_again([label.ticket_id for label in labels if label.source == LabelSource.GATE and label.ticket_id], now=now)
    labels += _labels_of_truths(reported & decisions.keys(), decisions)
    _add_tallies(tallies)
    _add_reasons(reasons)
    Awaited.objects.bulk_create(_awaited(decision) for decision in arrived if decision.flagged)
    _keep(labels)
    collected.labels += len(labels)
    collected.workflows |= {label.workflow_id for label in labels}


def _told_of(events: Sequence[Happened], *kinds: EventKind) -> set[UUID]:
    return {event.decision_id for event in events if event.kind in kinds and event.decision_id}


# ---- What is read ---------------------------------------------------------------------------------------------------


def _decisions(ids: Iterable[UUID]) -> dict[UUID, Decision]:
    found = (
        Decision.objects.filter(pk__in=ids)
        .select_related("policy_version")
        .only(
            *(
                "workflow_id",
                "action",
                "model_name",
                "model_version",
                "prompt_digest",
                "confidence",
                "route",
                "reasons",
            ),
            *("payload_sha256", "flagged", "flag_probability", "received_at", "policy_version__number"),
        )
    )
    return {decision.pk: decision for decision in found}


def _settled_tickets(ids: set[UUID], decisions: dict[UUID, Decision]) -> Iterable[tuple[Ticket, list[Verdict]]]:
    """Those that a verdict settled, each with its standing verdicts in order of stages."""
    tickets = Ticket.objects.filter(pk__in=ids, state=TicketState.SETTLED, kind__in=SOURCES, decision__in=decisions)
    verdicts: dict[UUID, list[Verdict]] = {ticket.pk: [] for ticket in tickets}
    for verdict in Verdict.objects.standing().filter(ticket__in=verdicts).defer("payload", "note").order_by("stage"):
        verdicts[verdict.ticket_id].append(verdict)
    return [(ticket, verdicts[ticket.pk]) for ticket in tickets if verdicts[ticket.pk]]


def _finding(decision: Decision, verdicts: Sequence[Verdict]) -> Finding:
    given = [
        Given(Choice(kind=one.kind, action=one.action, payload_sha256=one.payload_sha256), one.material)
        for one in verdicts
    ]
    return finding_of(given, action=decision.action, payload_sha256=decision.payload_sha256)


def _labels_of_truths(reported: Set[UUID], decisions: dict[UUID, Decision]) -> list[Label]:
    """What an independent client reports counts; of any other, only what is unfavourable to the AI."""
    labels: dict[UUID, Label] = {}
    for truth in Truth.objects.filter(decision__in=reported).order_by("pk"):
        decision = decisions[truth.decision_id]
        right = truth.right_action == decision.action
        if right and not truth.independent:
            continue
        finding = Finding(VerdictKind.APPROVE if right else VerdictKind.OVERRIDE, right, truth.right_action)
        # Where two sources differ, the unfavourable one stands.
        if decision.pk not in labels or not right:
            labels[decision.pk] = _label(decision, LabelSource.GROUND_TRUTH, ticket=None, finding=finding)
    return list(labels.values())


# ---- Labels ---------------------------------------------------------------------------------------------------------


def _label(decision: Decision, source: LabelSource, *, ticket: Ticket | None, finding: Finding) -> Label:
    probability = label_probability(
        source, route=decision.route, flagged=decision.flagged, flag_probability=float(decision.flag_probability)
    )
    return Label(
        decision=decision,
        source=source,
        ticket=ticket,
        ai_was_right=finding.ai_was_right,
        right_action=finding.right_action,
        flag_probability=decision.flag_probability,
        label_probability=None if probability is None else Decimal(str(probability)),
        flagged=decision.flagged,
        **_copied(decision),
    )


def _awaited(decision: Decision) -> Awaited:
    return Awaited(decision=decision, flag_probability=decision.flag_probability, **_copied(decision))


def _copied(decision: Decision) -> dict[str, Any]:
    """What estimates read of a decision."""
    return {
        "workflow_id": decision.workflow_id,
        "action": decision.action,
        "model_name": decision.model_name,
        "model_version": decision.model_version,
        "confidence": None if decision.confidence is None else float(decision.confidence),
        "route": decision.route,
        "decided_at": decision.received_at,
    }


def _keep(labels: Sequence[Label]) -> None:
    """Writes labels, and which of each decision's stands: the best known.

    A truth that differs from an earlier one takes its place where it is unfavourable to the AI, and else is dropped.
    """
    if not labels:
        return
    ids = {label.decision_id for label in labels}
    known: dict[UUID, dict[str, Label]] = defaultdict(dict)
    for label in Label.objects.filter(decision__in=ids):
        known[label.decision_id][label.source] = label
    replaced = []
    for label in labels:
        before = known[label.decision_id].get(label.source)
        if before is None or (before.ai_was_right and not label.ai_was_right):
            known[label.decision_id][label.source] = label
            replaced += [before.pk] if before else []
    fallen = []
    for of_decision in known.values():
        best = min(of_decision.values(), key=lambda label: RANK.index(LabelSource(label.source)))
        for label in of_decision.values():
            if label is not best and label.stands and label.pk:
                fallen.append(label.pk)
            label.stands = label is best
    # One label of a decision stands at each moment, so that the old ones go first.
    Label.objects.filter(pk__in=replaced).delete()
    Label.objects.filter(pk__in=fallen).update(stands=False)
    Label.objects.bulk_create(label for kept in known.values() for label in kept.values() if label.pk is None)
    Awaited.objects.filter(decision__in=ids).delete()


# ---- Tallies --------------------------------------------------------------------------------------------------------


def _of_decision(decision: Decision) -> tuple[Any, ...]:
    return (
        decision.workflow_id,
        decision.action,
        decision.model_name,
        decision.model_version,
        decision.prompt_digest,
        decision.policy_version.number if decision.policy_version else 0,
        decision.route,
        band_of(None if decision.confidence is None else float(decision.confidence)),
        decision.flagged,
        decision.flag_probability,
    )


def _arrival(decision: Decision) -> tuple[Any, ...]:
    return (decision.received_at.date(), *_of_decision(decision), "", None, "")


def _settlement(decision: Decision, ticket: Ticket, *, reviewer: int, verdict: str) -> tuple[Any, ...]:
    assert ticket.settled_at is not None, "the ticket is settled"
    return (ticket.settled_at.date(), *_of_decision(decision), str(ticket.kind), reviewer, str(verdict))


def _reason(decision: Decision, ticket: Ticket, *, code: str, verdict: str) -> tuple[Any, ...]:
    assert ticket.settled_at is not None, "the ticket is settled"
    of_decision = (decision.workflow_id, decision.action, decision.model_name, decision.model_version)
    return (ticket.settled_at.date(), *of_decision, code, str(verdict))


# Written by hand, since the ORM's upsert can set but not add.
_ADD_TALLY = """
    INSERT INTO feedback_tally AS t (day, workflow_id, action, model_name, model_version, prompt_digest, policy_version,
                                     route, band, flagged, flag_probability, ticket_kind, reviewer_id, verdict, count,
                                     in_time, seconds)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT ON CONSTRAINT one_tally_of_a_kind
    DO UPDATE SET count = t.count + EXCLUDED.count, in_time = t.in_time + EXCLUDED.in_time,
                  seconds = t.seconds + EXCLUDED.seconds
"""
_ADD_REASON = """
    INSERT INTO feedback_reasontally AS t (day, workflow_id, action, model_name, model_version, reason, verdict, count)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT ON CONSTRAINT one_reason_tally_of_a_kind DO UPDATE SET count = t.count + EXCLUDED.count
"""


def _add_tallies(tallies: Mapping[tuple[Any, ...], Amount]) -> None:
    rows = [(*key, amount.count, amount.in_time, amount.seconds) for key, amount in tallies.items()]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD_TALLY, rows)


def _add_reasons(reasons: Counter[Any]) -> None:
    rows = [(*key, count) for key, count in reasons.items()]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD_REASON, rows)
