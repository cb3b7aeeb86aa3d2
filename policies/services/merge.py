"""Three-way merge of a version's rows: what a draft changed, on top of what is live now."""

from collections.abc import Sequence
from typing import Any

from policies.domain.problems import row_name
from policies.domain.vocabulary import Autonomy
from policies.models import Rule, Threshold
from policies.queries import threshold_spec


def merged_thresholds(
    *, was: Sequence[Threshold], mine: Sequence[Threshold], theirs: Sequence[Threshold]
) -> tuple[list[Threshold], tuple[str, ...]]:
    """The rows of the draft `mine` brought on top of `theirs`, both begun from `was`; and the conflicts, in words."""
    base, draft, live = _by_key(was), _by_key(mine), _by_key(theirs)
    merged: list[Threshold] = []
    conflicts: list[str] = []
    for key in {**live, **draft}:
        before, ours, other = (content_of(side[key]) if key in side else None for side in (base, draft, live))
        withdrawn = key in live and live[key].autonomy == Autonomy.WITHDRAWN and before != other
        takes_live = ours == before or (withdrawn and ours != other)
        if ours not in (before, other) and other != before:
            name = row_name(threshold_spec(live.get(key) or draft[key]))
            conflicts.append(
                f"{name}: evidence withdrew its autonomy meanwhile, and that stays."
                if withdrawn
                else f"{name}: the live version changed this row too. The draft's stands; look at it again."
            )
        row = (live if takes_live else draft).get(key)
        if row is not None:
            merged.append(row)
    return merged, tuple(conflicts)


def merged_rules(*, was: Sequence[Rule], mine: Sequence[Rule], theirs: Sequence[Rule]) -> list[Rule]:
    """The draft's rules, without those that the live version dropped and with those that it added since `was`."""
    base, draft, live = ([content_of(rule) for rule in rules] for rules in (was, mine, theirs))
    kept = [rule for rule in mine if content_of(rule) in live or content_of(rule) not in base]
    return kept + [rule for rule in theirs if content_of(rule) not in base and content_of(rule) not in draft]


def _by_key(rows: Sequence[Threshold]) -> dict[tuple[int | None, str, str], Threshold]:
    return {(row.action_id, row.model_name, row.model_version): row for row in rows}


def content_of(row: Threshold | Rule) -> dict[str, Any]:
    """What a row says, apart from its place: by column name."""
    place = {"id", "version", "position"}
    columns = row._meta.concrete_fields  # noqa: SLF001  public, by Django's documentation
    return {column.attname: getattr(row, column.attname) for column in columns if column.name not in place}
