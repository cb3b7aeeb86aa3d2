"""How far an intake is, and what became of each of its lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from reviews.models import Client, Intake, IntakeLine


@dataclass(frozen=True, slots=True)
class IntakePage:
    """An intake and some of its lines, without their bytes. `next_after` is None on the last page."""

    intake: Intake
    lines: Sequence[IntakeLine]
    next_after: int | None


def intake_page(intake_id: UUID, *, client: Client, after: int = 0, limit: int) -> IntakePage:
    """The lines whose number is above `after`, at most `limit`. Two queries. Raises Intake.DoesNotExist."""
    intake = Intake.objects.get(pk=intake_id, client=client)
    lines = list(intake.lines.filter(number__gt=after).order_by("number").defer("raw")[: limit + 1])
    more = len(lines) > limit
    return IntakePage(
        intake=intake, lines=lines[:limit], next_after=lines[limit - 1].number if more and limit else None
    )


def decision_id_of(intake: Intake) -> UUID:
    """The id that was kept for the one decision of a single intake."""
    return intake.lines.values_list("decision_id", flat=True).get(number=1)
