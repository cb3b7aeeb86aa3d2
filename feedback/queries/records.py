"""Settled decisions with everything that was said of them, as training data takes them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from feedback.domain.datasets import Answer, Record
from feedback.models import Comment, Label
from policies.models import ActionType, Workflow
from reviews.domain.answer import moment
from reviews.domain.vocabulary import TicketState
from reviews.models import Decision, Outcome, Ticket, Verdict


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which decisions are exported: of a workflow, received from `since` on and before `until`. Empty is any."""

    workflow: Workflow
    since: datetime | None = None
    until: datetime | None = None
    action: str = ""
    model_name: str = ""
    model_version: str = ""


def chosen_decisions(chosen: Chosen) -> Any:
    """Those that somebody answered, or of which the truth is known. Known answers and what was purged are left out."""
    settled = Ticket.objects.filter(decision=OuterRef("pk"), state=TicketState.SETTLED)
    labelled = Label.objects.filter(decision=OuterRef("pk"))
    decisions = Decision.objects.filter(Exists(settled) | Exists(labelled), workflow=chosen.workflow, purged_at=None)
    named = {name: getattr(chosen, name) for name in ("action", "model_name", "model_version")}
    decisions = decisions.filter(**{name: value for name, value in named.items() if value})
    if chosen.since is not None:
        decisions = decisions.filter(received_at__gte=chosen.since)
    if chosen.until is not None:
        decisions = decisions.filter(received_at__lt=chosen.until)
    return decisions


def records_after(chosen: Chosen, *, after: UUID | None, limit: int) -> list[Record]:
    """The next records behind a decision, in order of ids. Seven queries, however many there are."""
    decisions = chosen_decisions(chosen).select_related("policy_version").order_by("pk")
    if after is not None:
        decisions = decisions.filter(pk__gt=after)
    page = list(decisions[:limit])
    ids = [decision.pk for decision in page]
    personal = dict(ActionType.objects.filter(workflow=chosen.workflow).values_list("key", "personal_fields"))
    labels = {label.decision_id: label for label in Label.objects.filter(decision__in=ids, stands=True)}
    outcomes = {outcome.decision_id: outcome for outcome in Outcome.objects.filter(decision__in=ids)}
    answers, comments = _answers(ids), _comments(ids)
    return [
        _record(
            decision,
            workflow=chosen.workflow,
            label=labels.get(decision.pk),
            outcome=outcomes.get(decision.pk),
            answers=tuple(answers[decision.pk]),
            comments=tuple(comments[decision.pk]),
            # An override's payload is of another action: what is personal in either is left out of both.
            personal=_personal(decision, answers[decision.pk], personal),
        )
        for decision in page
    ]


def _personal(decision: Decision, answers: Iterable[Answer], personal: dict[str, list[str]]) -> tuple[str, ...]:
    actions = {decision.action, *(answer.action for answer in answers)}
    return tuple(sorted({pointer for action in actions for pointer in personal.get(action, [])}))


def _answers(ids: list[UUID]) -> dict[UUID, list[Answer]]:
    found: dict[UUID, list[Answer]] = defaultdict(list)
    verdicts = (
        Verdict.objects.standing()
        .filter(ticket__decision__in=ids, ticket__state=TicketState.SETTLED)
        .select_related("ticket")
        .order_by("ticket__kind", "stage", "pk")
    )
    for verdict in verdicts:
        found[verdict.ticket.decision_id].append(
            Answer(
                ticket=verdict.ticket.kind,
                stage=verdict.stage,
                reviewer=verdict.reviewer_id,
                kind=verdict.kind,
                action=verdict.action,
                payload=verdict.payload,
                material=verdict.material,
                reason_code=verdict.reason_code,
                note=verdict.note or "",
                reasoning_rating=verdict.reasoning_rating,
                seconds=(verdict.decided_at - verdict.first_shown_at).total_seconds(),
                decided_at=moment(verdict.decided_at),
            )
        )
    return found


def _comments(ids: list[UUID]) -> dict[UUID, list[dict[str, str]]]:
    found: dict[UUID, list[dict[str, str]]] = defaultdict(list)
    for comment in Comment.objects.filter(decision__in=ids).order_by("pk"):
        found[comment.decision_id].append(
            {
                "kind": comment.kind,
                "text": comment.text,
                "suggested_answer": comment.suggested_answer,
                "at": moment(comment.at),
            }
        )
    return found


def _record(
    decision: Decision,
    *,
    workflow: Workflow,
    label: Label | None,
    outcome: Outcome | None,
    answers: tuple[Answer, ...],
    comments: tuple[dict[str, str], ...],
    personal: tuple[str, ...],
) -> Record:
    return Record(
        id=str(decision.pk),
        external_id=decision.external_id,
        workflow=workflow.key,
        action=decision.action,
        subject={"type": decision.subject_type, "id": decision.subject_id},
        payload=decision.payload,
        confidence=None if decision.confidence is None else f"{decision.confidence:f}",
        alternatives=decision.alternatives,
        reasoning=decision.reasoning or "",
        context=decision.context,
        model={"name": decision.model_name, "version": decision.model_version, "prompt": decision.prompt_digest},
        received_at=moment(decision.received_at),
        policy_version=decision.policy_version.number if decision.policy_version else None,
        route=decision.route,
        reasons=tuple(reason["code"] for reason in decision.reasons),
        flagged=decision.flagged,
        flag_probability=float(decision.flag_probability),
        label_probability=float(label.label_probability) if label and label.label_probability is not None else None,
        ai_was_right=label.ai_was_right if label else None,
        right_action=label.right_action if label else "",
        label_source=label.source if label else "",
        outcome={"kind": outcome.kind, "method": outcome.method, "action": outcome.action} if outcome else None,
        personal_fields=personal,
        answers=answers,
        comments=comments,
    )
