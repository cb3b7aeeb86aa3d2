"""Labelled decisions by the thousand, as collecting would have left them."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import F

from feedback.models import Label, Tally
from policies.domain.vocabulary import Route
from policies.models import PolicyVersion, Workflow
from reviews.models import Client, Decision, new_id
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
    shared = {
        "workflow_id": workflow.pk,
        "action": action,
        "model_name": model[0],
        "model_version": model[1],
        "flagged": flagged,
        "flag_probability": probability,
    }
    decisions, labels = [], []
    for place, (wrong, c) in enumerate(zip(error, confidences, strict=True)):
        alone = bool(c >= threshold)
        copied = {**shared, "route": str(Route.AUTO if alone else Route.REVIEW), "confidence": float(c)}
        at = since + timedelta(seconds=place)
        decision = {
            **copied,
            "id": new_id(),
            "client_id": client.pk,
            "external_id": f"stream-{next(_numbers)}",
            "fingerprint": "0" * 64,
            "subject_type": "",
            "subject_id": "",
            "payload_sha256": "0" * 64,
            "currency": "",
            "prompt_digest": "",
            "policy_version_id": version.pk if version else None,
            "threshold": threshold if alone else None,
            "facts": "{}",
            "reasons": "[]",
            "internal": False,
            "received_at": at,
        }
        label = {
            **copied,
            "decision_id": decision["id"],
            "source": "audit" if alone else "gate",
            "ai_was_right": not wrong,
            "right_action": "",
            "stands": True,
            "label_probability": probability if alone else 1,
            "decided_at": at,
        }
        decisions.append(decision)
        labels.append(label)
    _copy(Decision, decisions)
    _copy(Label, labels)
    arrived = Counter(decision["route"] for decision in decisions)
    for route, count in arrived.items():
        make_arrivals(count, route=route, day=since, **shared)
    return list(Label.objects.filter(decision__in=[one["id"] for one in decisions]).order_by("decided_at"))


def make_arrivals(count: int, *, route: str = Route.AUTO, day: datetime = NOW, **columns: Any) -> None:
    """That so many decisions arrived on a day, by the tallies."""
    key = {
        "workflow_id": make_workflow().pk,
        "action": "refund_fee",
        "model_name": "support-router",
        "model_version": "1.0",
        **columns,
    }
    tally, _ = Tally.objects.get_or_create(day=day.date(), route=route, ticket_kind="", verdict="", **key)
    Tally.objects.filter(pk=tally.pk).update(count=F("count") + count)


def _copy(model: type[Decision] | type[Label], rows: Sequence[dict[str, Any]]) -> None:
    """The rows by COPY, which checks what the table checks and is quick."""
    if not rows:
        return
    columns = list(rows[0])
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        _write(copy, (row.values() for row in rows))


def _write(copy: Any, rows: Iterable[Iterable[Any]]) -> None:
    for row in rows:
        copy.write_row(list(row))
