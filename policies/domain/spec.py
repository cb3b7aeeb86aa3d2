"""What judging reads and gives: the pinned policy, the proposal, the facts of the moment, and the assessment.

Everything here is frozen, holds figures as Decimal and moments as aware datetimes, and goes to JSON and back unchanged.
A policy's document is the JSON that is hashed: `digest_of` it is the policy's name for good, wherever it is published.
A field that an action, a row or a rule gets from now on is declared with `documents.added_later`, so that what is live
stays readable and keeps its digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Self

from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.documents import SpecError as SpecError
from policies.domain.documents import plain, read_fields
from policies.domain.documents import plain_decimal as plain_decimal
from policies.domain.documents import plain_moment as plain_moment
from policies.domain.pointers import pointer_to
from policies.domain.vocabulary import Autonomy, ReasonCode, Reversibility, VerdictKind

# ---- What an AI proposes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another action that the AI weighed, and its confidence in it."""

    action: str
    confidence: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """The part of a decision that judging reads. `confidence` is exact, in [0, 1]; None when the AI gave none."""

    workflow: str
    action: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    subject: Mapping[str, Any] = field(default_factory=dict)
    confidence: Decimal | None = None
    alternatives: tuple[Alternative, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = ""
    model_version: str = ""
    prompt_digest: str = ""
    requested_by: str = ""


FORMAT: Final = 1
"""Of a policy's document. It is raised where what stands in one comes to mean something else, not for a field more."""

# ---- What a policy pins ---------------------------------------------------------------------------------------------

MAY_BE_AUTOMATED: Final = frozenset(
    {Reversibility.READ_ONLY, Reversibility.REVERSIBLE, Reversibility.EXTERNALLY_REVERSIBLE}
)
"""What may run alone at all; what isn't on this list asks a person."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action type as it was when the policy was published."""

    key: str
    title: str
    what: str
    reversibility: str
    payload_schema: Mapping[str, Any] | None = None
    amount_pointer: str = "/amount"
    currency_pointer: str = "/currency"
    editable: tuple[str, ...] = ()
    layout: Mapping[str, str] = field(default_factory=dict)
    allowed_verdicts: tuple[str, ...] = tuple(VerdictKind.values)
    hold_seconds: int = 5
    active: bool = True
    ask: str = ""
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class ThresholdSpec:
    """One row: what an action ("" = each one without a row) of a model ("" = any, or any version) may do alone.

    Rates are shares in [0, 1]; amounts are in `currency`; budgets are a day's automatic approvals of one action,
    all together or for one subject.
    """

    action: str = ""
    model_name: str = ""
    model_version: str = ""
    autonomy: str = Autonomy.NEVER
    least_confidence: Decimal | None = None
    largest_amount: Decimal | None = None
    currency: str = ""
    verdicts_needed: int = 1
    audit_rate: Decimal = Decimal(0)
    deliberate_acts: int = 1
    separation: bool = False
    daily_count: int | None = None
    daily_amount: Decimal | None = None
    subject_daily_count: int | None = None
    subject_daily_amount: Decimal | None = None
    alpha: Decimal | None = None
    delta: Decimal | None = None
    certificate_id: str = ""
    certificate_digest: str = ""
    basis_reason: str = ""
    basis_holds_until: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two rows of a policy share."""
        return self.action, self.model_name, self.model_version


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A CEL expression that sends what it matches to a person (of `group`, "" = the workflow's review group)."""

    position: int
    expression: str
    sentence: str
    ask: str = ""
    group: str = ""
    verdicts_needed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A published policy version. Two are equal when number and digest are; neither clock nor database is in it."""

    workflow: str
    number: int
    digest: str
    actions: Mapping[str, ActionSpec]
    thresholds: tuple[ThresholdSpec, ...]
    rules: tuple[RuleSpec, ...] = ()
    _rows: Mapping[tuple[str, str, str], ThresholdSpec] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = {row.key: row for row in self.thresholds}
        if len(rows) != len(self.thresholds):
            raise SpecError("Two rows stand for the same action and model.", "/thresholds")
        object.__setattr__(self, "_rows", rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and (self.digest, self.number) == (other.digest, other.number)

    def __hash__(self) -> int:
        return hash((self.digest, self.number))

    @classmethod
    def from_canonical(cls, document: Mapping[str, Any], digest: str, *, number: int) -> Self:
        """Read what `to_document` wrote. Raises SpecError, with the place, for anything that it wouldn't write."""
        parts = read_fields(_Document, document)
        if parts["format"] != FORMAT:
            raise SpecError(f"This is a policy of format {parts['format']}; format {FORMAT} is read here.", "/format")
        actions = {
            key: ActionSpec(
                key=key,
                **read_fields(
                    ActionSpec, each, pointer_to("actions", key), without={"key"}, reversibility=Reversibility.values
                ),
            )
            for key, each in parts["actions"].items()
        }
        rows = (
            ThresholdSpec(
                **read_fields(ThresholdSpec, each, pointer_to("thresholds", str(at)), autonomy=Autonomy.values)
            )
            for at, each in enumerate(parts["thresholds"])
        )
        rules = (
            RuleSpec(position=at, **read_fields(RuleSpec, each, pointer_to("rules", str(at)), without={"position"}))
            for at, each in enumerate(parts["rules"])
        )
        return cls(parts["workflow"], number, digest, actions, tuple(rows), tuple(rules))

    def to_document(self) -> dict[str, Any]:
        """The JSON document that the digest is of."""
        return to_document(
            workflow=self.workflow, actions=self.actions.values(), thresholds=self.thresholds, rules=self.rules
        )

    def row_for(self, *, action: str, model_name: str, model_version: str) -> ThresholdSpec | None:
        """The nearest row: the action's before the default, and of each the one for this model before that for any."""
        rows = self._rows
        for wanted in (action, "") if action else ("",):
            row = (
                rows.get((wanted, model_name, model_version))
                or rows.get((wanted, model_name, ""))
                or rows.get((wanted, "", ""))
            )
            if row is not None:
                return row
        return None

    def names_other_models(self, action: str) -> bool:
        """Whether rows of this action, or default rows, are for named models."""
        return any(row.model_name and row.action in (action, "") for row in self.thresholds)


@dataclass(frozen=True, slots=True)
class _Document:
    """The parts of a policy's document."""

    format: int
    workflow: str
    actions: Mapping[str, Any]
    thresholds: list[Any]
    rules: list[Any]


def to_document(
    *,
    workflow: str,
    actions: Iterable[ActionSpec],
    thresholds: Iterable[ThresholdSpec],
    rules: Iterable[RuleSpec] = (),
) -> dict[str, Any]:
    """The canonical JSON document of a policy, the same for the same policy in whatever order its parts are given.

    It holds neither number nor dates, so that a copy published elsewhere, or rolled back to, has the same digest.
    """
    return {
        "format": FORMAT,
        "workflow": workflow,
        "actions": {
            action.key: plain(action, without={"key"}) for action in sorted(actions, key=lambda action: action.key)
        },
        "thresholds": [plain(row) for row in sorted(thresholds, key=lambda row: row.key)],
        "rules": [plain(rule, without={"position"}) for rule in sorted(rules, key=lambda rule: rule.position)],
    }


def digest_of(document: Mapping[str, Any]) -> str:
    """The name of a policy for good: "sha256:" and 64 hexadecimal digits over its canonical document."""
    return f"sha256:{sha256_hex(canonical_bytes(document))}"


# ---- What holds at the moment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What judging needs to know of the world, read in the submitting transaction and stored with the decision.

    `paused` is "", "workflow", "everything" or "restored"; `live_versions` counts the workflow's;
    `evidence_assessed_at` is when somebody last looked whether the evidence still holds; `requester_matched` says that
    the requester is a known user; `budget_spent` names the budgets ("day", "subject") that could not be taken.
    """

    now: datetime
    paused: str = ""
    live_versions: int = 1
    evidence_assessed_at: datetime | None = None
    requester_matched: bool = False
    budget_spent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Written by hand, like `Reason.to_json`: every decision stores its facts and reasons."""
        assessed_at = self.evidence_assessed_at
        return {
            "now": plain_moment(self.now),
            "paused": self.paused,
            "live_versions": self.live_versions,
            "evidence_assessed_at": None if assessed_at is None else plain_moment(assessed_at),
            "requester_matched": self.requester_matched,
            "budget_spent": list(self.budget_spent),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises SpecError for anything else."""
        return cls(**read_fields(cls, stored))


# ---- What comes of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person is asked: `message` with its figures in words, and `ask`, what the person is to find out.

    `field` names what was looked at ("confidence", "payload/amount"), `operator` and `limit` the test that it should
    have passed, `observed` what was found; each "" where it doesn't apply.
    """

    code: str
    message: str
    field: str = ""
    operator: str = ""
    limit: str = ""
    observed: str = ""
    ask: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "code": str(self.code),
            "message": self.message,
            "field": self.field,
            "operator": self.operator,
            "limit": self.limit,
            "observed": self.observed,
            "ask": self.ask,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises SpecError for anything else."""
        return cls(**read_fields(cls, stored, code=ReasonCode.values))


@dataclass(frozen=True, slots=True)
class BudgetClaim:
    """What an automatic approval takes from the day's budget of an action, for one subject or ("") for all.

    A limit is None where that part isn't limited. `amount` is counted in `currency`; where the amount isn't limited it
    is 0 and the currency "".
    """

    action: str
    subject: str
    currency: str
    count: int
    amount: Decimal
    limit_count: int | None
    limit_amount: Decimal | None

    @property
    def name(self) -> str:
        """What `Facts.budget_spent` calls it."""
        return "subject" if self.subject else "day"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the policy says of a proposal.

    `threshold` is the confidence that the row asks for, None where nothing runs alone; `amount` and `currency` are as
    the payload has them; `group` is who is asked, "" for the workflow's review group; `budgets` is what an automatic
    decision must take before it stands, empty for a review.
    """

    route: str
    reasons: tuple[Reason, ...]
    threshold: Decimal | None
    row: ThresholdSpec | None
    audit_rate: Decimal
    flagged: bool
    verdicts_needed: int
    deliberate_acts: int
    separation: bool
    group: str
    amount: Decimal | None
    currency: str
    budgets: tuple[BudgetClaim, ...]
