"""Labelled decisions by the thousand, as collecting would have left them."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from feedback.models import Label, Tally
from policies.domain.vocabulary import Route
from policies.models import PolicyVersion, Workflow
from reviews.models import Client, Decision
from tests.factories import NOW, make_client, make_workflow

_numbers = itertools.count(1)


def make_labels(
    error: Sequence[bool] | np.ndarray,
    *,
    confidence: float | Sequence[float] | np.ndarray = 0.95,
    workflow: Workflow | None = None,
    action: str = "refund_fee",
    model: tuple[str, str] = ("support-router", "1.0"),
    threshold: float = 0.85,
    flagged: bool = True,
    probability: float = 1.0,
    since: datetime = NOW,
) -> list[Label]:
    """One decision and its label for each error, a second apart, as an audit or a gate would have labelled it."""
    workflow = workflow or make_workflow()
    client = Client.objects.filter(name="Streams").first() or make_client("Streams", workflows=[workflow])[0]
    version = PolicyVersion.objects.of(workflow).live().first()
    confidences = np.broadcast_to(np.asarray(confidence, dtype=float), len(error))
    decisions, labels = [], []
    for place, (wrong, c) in enumerate(zip(error, confidences, strict=True)):
        alone = bool(c >= threshold)
        decision = Decision(
            client=client,
            external_id=f"stream-{next(_numbers)}",
            fingerprint="0" * 64,
            workflow=workflow,
            action=action,
            payload={},
            payload_sha256="0" * 64,
            confidence=Decimal(str(c)),
            model_name=model[0],
            model_version=model[1],
            policy_version=version,
            threshold=Decimal(str(threshold)) if alone else None,
            facts={},
            route=Route.AUTO if alone else Route.REVIEW,
            reasons=[],
            flagged=flagged,
            flag_probability=Decimal(str(probability)),
            received_at=since + timedelta(seconds=place),
        )
        decisions.append(decision)
        labels.append(_label(decision, wrong=bool(wrong), alone=alone, probability=probability))
    Decision.everything.bulk_create(decisions, batch_size=1000)
    _tally(decisions)
    return Label.objects.bulk_create(labels, batch_size=1000)


def _label(decision: Decision, *, wrong: bool, alone: bool, probability: float) -> Label:
    copied: dict[str, Any] = {
        name: getattr(decision, name)
        for name in ("workflow", "action", "model_name", "model_version", "flagged", "route")
    }
    return Label(
        decision=decision,
        source="audit" if alone else "gate",
        ai_was_right=not wrong,
        flag_probability=decision.flag_probability,
        label_probability=Decimal(str(probability)) if alone else Decimal(1),
        confidence=float(decision.confidence),
        decided_at=decision.received_at,
        **copied,
    )


def _tally(decisions: list[Decision]) -> None:
    """That they arrived, all on one day."""
    for route in Route:
        routed = [decision for decision in decisions if decision.route == route]
        if routed:
            first = routed[0]
            tally, _ = Tally.objects.get_or_create(
                day=first.received_at.date(),
                workflow=first.workflow,
                action=first.action,
                model_name=first.model_name,
                model_version=first.model_version,
                route=route,
                flagged=first.flagged,
                flag_probability=first.flag_probability,
            )
            tally.count += len(routed)
            tally.save()
