"""Back-tests of a policy version."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from feedback.domain.rates import Interval, clopper_pearson
from feedback.domain.vocabulary import RunState
from feedback.models import Backtest, Label
from policies.domain.spec import digest_of
from policies.models import ActionType, PolicyVersion
from policies.queries import document_of
from reviews.models import Decision

EVERYTHING = Interval(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Tried:
    """The back-tests of one version, newest first. `exact` are those of the version just as it is now."""

    version: PolicyVersion
    digest: str
    runs: tuple[Backtest, ...]

    @property
    def exact(self) -> tuple[Backtest, ...]:
        return tuple(run for run in self.runs if run.digest == self.digest)

    @property
    def newest(self) -> Backtest | None:
        """What the page that publishes the version shows."""
        return next(iter(self.exact), None)


def backtests_of(version: PolicyVersion) -> Tried:
    """A draft that was changed since leaves its earlier back-tests behind."""
    runs = Backtest.objects.filter(version=version).select_related("requested_by").order_by("-pk")[:20]
    return Tried(version=version, digest=digest_of(document_of(version)), runs=tuple(runs))


# ---- One of them in full --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure of a back-test: a share with its interval, and by how many it is known. None is a share not identified.

    `was`: of what happened, not of what the version would do.
    """

    name: str
    share: float | None
    interval: Interval
    by: str
    was: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A decision that changes sides. `ai_was_right` is None where nobody has looked."""

    decision: Decision
    title: str
    ai_was_right: bool | None


@dataclass(frozen=True, slots=True)
class Side:
    """The decisions that change sides in one direction: how many, and the first of them."""

    count: int
    first: tuple[Changed, ...]

    @property
    def has_amounts(self) -> bool:
        return any(one.decision.amount is not None for one in self.first)


@dataclass(frozen=True, slots=True)
class InFull:
    """What came of a back-test: who decides before and after, what changes sides, how much would be wrong."""

    run: Backtest
    alone: tuple[Bar, Bar]
    sides: tuple[Bar, Bar]
    wrong: tuple[Bar, ...]
    now_alone: Side
    now_asked: Side

    @property
    def bars(self) -> tuple[Bar, ...]:
        return (*self.alone, *self.sides, *self.wrong)


def in_full(tried: Tried, *, chosen: str) -> InFull | None:
    """The run of that id, else the newest that is done; None where there is none. Three queries."""
    done = [run for run in tried.runs if run.state == RunState.DONE]
    run = next((run for run in done if str(run.pk) == chosen), next(iter(done), None))
    if run is None:
        return None
    found: Mapping[str, Any] = run.result or {}
    ids = [UUID(one) for side in ("now_alone", "now_asked") for one in found[side]["decisions"]]
    changed = _changed(ids, version=tried.version)
    return InFull(
        run=run,
        alone=(
            _bar("Ran alone", found["ran_alone"], found["n"], was=True),
            _bar("Would run alone", found["auto"], found["n"]),
        ),
        sides=(
            _bar("Would run alone that people decided", found["now_alone"]["count"], found["n"]),
            _bar("Would wait for people that ran alone", found["now_asked"]["count"], found["n"]),
        ),
        wrong=tuple(_wrong(found)),
        now_alone=_side(found["now_alone"], changed),
        now_asked=_side(found["now_asked"], changed),
    )


def _bar(name: str, count: int, total: int, *, was: bool = False) -> Bar:
    lower, upper = clopper_pearson(count, total)
    interval = Interval(float(lower), float(upper))
    return Bar(name, count / total if total else 0.0, interval, f"{count} of {total}", was)


def _wrong(found: Mapping[str, Any]) -> Iterable[Bar]:
    """Wrong among what would run alone: where people looked, where nobody could, and what both leave of the whole."""
    auto, labels = found["auto"], f"{found['labelled']} labels"
    if not auto:
        return
    if found["error"] is not None:
        yield Bar("Wrong among what would run alone", found["error"], Interval(*found["interval"]), labels)
        return
    unseen = round(found["unidentified"] * auto)
    if found["identified_error"] is not None:
        inside = Interval(*found["identified_interval"])
        yield Bar("Wrong where people looked", found["identified_error"], inside, labels)
    yield Bar("Wrong where nobody looked", None, EVERYTHING, f"{unseen} of {auto}")
    if found["identified_error"] is not None:
        yield Bar("Wrong, both together", None, Interval(*found["interval"]), str(auto))


_SHOWN = ("external_id", "action", "amount", "currency", "confidence", "received_at")


def _changed(ids: list[UUID], *, version: PolicyVersion) -> dict[UUID, Changed]:
    decisions = Decision.objects.only(*_SHOWN).in_bulk(ids)
    labels = dict(Label.objects.filter(decision__in=ids, stands=True).values_list("decision", "ai_was_right"))
    titles = dict(ActionType.objects.filter(workflow=version.workflow_id).values_list("key", "title"))
    return {
        pk: Changed(decision, titles.get(decision.action, decision.action), labels.get(pk))
        for pk, decision in decisions.items()
    }


def _side(found: Mapping[str, Any], changed: Mapping[UUID, Changed]) -> Side:
    first = (changed.get(UUID(one)) for one in found["decisions"])
    return Side(count=found["count"], first=tuple(one for one in first if one is not None))
