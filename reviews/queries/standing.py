"""What every page needs besides its own matter: what is stopped, how its reader wants it, what they have a part in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, Subquery

from policies.models import Switch, Workflow
from reviews.domain.vocabulary import Theme
from reviews.models import Restore, ReviewerProfile, SavedFilter, Ticket
from reviews.queries.prepared import Values


@dataclass(frozen=True, slots=True)
class Stops:
    """What runs nothing alone at the moment."""

    restored: str  # the cause, where the database or its log is not what it was and nobody has acknowledged it
    everything: bool
    workflows: tuple[str, ...]  # their titles


def stops() -> Stops:
    """A restore, and both kinds of switch. Two queries."""
    titles = Workflow.objects.filter(paused=True).order_by("title").values_list("title", flat=True)
    restored = Subquery(Restore.objects.filter(acknowledged_at__isnull=True).values("cause")[:1])
    switch = Switch.objects.annotate(restored=restored).values_list("paused", "restored").first()
    everything, cause = switch or (True, None)
    return Stops(restored=cause or "", everything=everything, workflows=tuple(titles))


def workflows_of(user: User) -> tuple[tuple[str, str], ...]:
    """Key and title of each workflow that asks a group of theirs. One query."""
    asks = Q(review_group__user=user) | Q(escalation_group__user=user)
    return tuple(Workflow.objects.filter(asks).order_by("title").values_list("key", "title").distinct())


def saved_filters_of(user: User) -> tuple[SavedFilter, ...]:
    """The filters of the desk that they keep, by name. One query."""
    return tuple(SavedFilter.objects.filter(user=user).order_by("title"))


def theme_of(user: User) -> str:
    """Light, dark, or as the system says. One query."""
    chosen = ReviewerProfile.objects.filter(user=user).values_list("theme", flat=True).first()
    return chosen or Theme.SYSTEM


def preferences_of(user: User) -> dict[str, object]:
    """What their profile says, or would. One query."""
    kept = ReviewerProfile.objects.filter(user=user).values("theme", "shows_sensitive", "away").first()
    return dict(kept or {"theme": Theme.SYSTEM, "shows_sensitive": False, "away": False})


def shows_sensitive(user: User) -> bool:
    """Whether they asked to see sensitive items without being asked each time. One query."""
    return ReviewerProfile.objects.filter(user=user, shows_sensitive=True).exists()


def held_ticket(user: User, *, now: datetime) -> UUID | None:
    """The ticket that they took first of those they hold: it is to be finished before the next. One query."""
    held = _HELD.first(user.pk, now)
    return held["pk"] if held else None


_HELD = Values(
    lambda user, now: (
        Ticket.objects.held_by(user).filter(claimed_until__gt=now).order_by("claimed_at", "pk").values("pk")[:1]
    ),
    *(int, datetime),
)
