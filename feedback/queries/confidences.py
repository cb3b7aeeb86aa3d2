"""What the newest labels say of the confidences that each model states."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Q

from feedback.domain.overconfidence import BANDS, Overconfidence, watch_confidence
from feedback.models import Label
from feedback.queries.labels import Key, Scope, labels_of
from policies.models import Workflow

LOOKED_BACK = timedelta(days=90)
# Fewer can't raise an alarm, whatever they say; so what hardly ever occurs costs nothing.
LEAST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Watched:
    """An action and model with its watch. `since` is when the first label that speaks now was received."""

    key: Key
    since: datetime
    watch: Overconfidence


def watched_confidences(workflow: Workflow, *, now: datetime) -> tuple[Watched, ...]:
    """Every action and model of which enough labels of the random sample were received lately. A query, and one each.

    What nobody drew at random stays out: the queue is full of hard cases, and looks overconfident by itself.
    """
    since = now - LOOKED_BACK
    counted = (
        Label.objects.filter(workflow=workflow, stands=True, flagged=True, decided_at__gte=since)
        .exclude(confidence=None)
        .values_list("action", "model_name", "model_version")
        .annotate(n=Count("pk"))
        .filter(n__gte=LEAST_LABELS)
        .order_by("action", "model_name", "model_version")
    )
    found = []
    for action, name, version, _ in counted:
        labels = labels_of(Scope(workflow, action, name, version, since=since))
        labels = labels.of(labels.flagged).estimable()
        watch = watch_confidence(labels.confidence, labels.error)
        first = labels.received[len(labels) - watch.labels + watch.first]
        found.append(Watched((action, name, version), datetime.fromtimestamp(float(first), tz=UTC), watch))
    return tuple(found)


def wrong_tickets(
    workflow: Workflow, *, key: Key, band: int | None, since: datetime, most: int = 5
) -> tuple[int, list[str]]:
    """How many labels of the random sample in this band say that the AI was wrong, and the newest tickets of them."""
    action, name, version = key
    in_band = Q() if band is None else Q(confidence__gte=band / BANDS)
    if band is not None and band < BANDS - 1:
        in_band &= Q(confidence__lt=(band + 1) / BANDS)
    wrong = Label.objects.filter(
        in_band,
        workflow=workflow,
        action=action,
        model_name=name,
        model_version=version,
        stands=True,
        flagged=True,
        ai_was_right=False,
        decided_at__gte=since,
    )
    newest = wrong.exclude(ticket=None).order_by("-decided_at").values_list("ticket_id", flat=True)[:most]
    return wrong.count(), list(map(str, newest))
