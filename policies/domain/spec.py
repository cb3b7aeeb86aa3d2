"""What judging reads and gives: the pinned policy, the proposal, the facts of the moment, and the assessment.

Everything here is frozen, holds figures as Decimal and moments as aware datetimes, and goes to JSON and back unchanged.
A policy's document is the JSON that is hashed: `digest_of` it is the policy's name for good, wherever it is published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from policies.domain.canonical import canonical_bytes, pointer_to, pointer_tokens, sha256_hex
from policies.domain.vocabulary import Autonomy, ReasonCode, Reversibility, Route, VerdictKind


class SpecError(ValueError):
    """A document that is no policy (or no stored facts): `pointer` says where, `detail` what is wrong there."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(f"{detail} (at {pointer or 'the top'})")
        self.detail = detail
        self.pointer = pointer


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


# ---- What a policy pins ---------------------------------------------------------------------------------------------


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
        read = _Reader(document, "", {"workflow", "actions", "thresholds", "rules"})
        actions = read.mapping("actions")
        return cls(
            workflow=read.text("workflow"),
            number=number,
            digest=digest,
            actions={key: _read_action(key, spec, pointer_to("actions", key)) for key, spec in actions.items()},
            thresholds=tuple(_read_row(row, place) for place, row in read.entries("thresholds")),
            rules=tuple(_read_rule(at, rule, place) for at, (place, rule) in enumerate(read.entries("rules"))),
        )

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
        "workflow": workflow,
        "actions": {
            action.key: {key: value for key, value in _plain(action).items() if key != "key"}
            for action in sorted(actions, key=lambda action: action.key)
        },
        "thresholds": [_plain(row) for row in sorted(thresholds, key=lambda row: row.key)],
        "rules": [
            {key: value for key, value in _plain(rule).items() if key != "position"}
            for rule in sorted(rules, key=lambda rule: rule.position)
        ],
    }


def digest_of(document: Mapping[str, Any]) -> str:
    """The name of a policy for good: "sha256:" and 64 hexadecimal digits over its canonical document."""
    return f"sha256:{sha256_hex(canonical_bytes(document))}"


# ---- What holds at the moment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What judging needs to know of the world, read in the submitting transaction and stored with the decision.

    `paused` is "", "workflow" or "everything"; `live_versions` counts the workflow's; `evidence_assessed_at` is when
    somebody last looked whether the evidence still holds; `requester_matched` says that the requester is a known user;
    `budget_spent` names the budgets ("day", "subject") that could not be taken.
    """

    now: datetime
    paused: str = ""
    live_versions: int = 1
    evidence_assessed_at: datetime | None = None
    requester_matched: bool = False
    budget_spent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return _plain(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises SpecError for anything else."""
        read = _Reader(stored, "", {each.name for each in fields(cls)})
        return cls(
            now=read.moment("now"),
            paused=read.text("paused"),
            live_versions=read.whole("live_versions"),
            evidence_assessed_at=read.moment_or_none("evidence_assessed_at"),
            requester_matched=read.flag("requester_matched"),
            budget_spent=read.texts("budget_spent"),
        )


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
        read = _Reader(stored, "", {each.name for each in fields(cls)})
        values = {each.name: read.text(each.name) for each in fields(cls)}
        return cls(**{**values, "code": read.choice("code", ReasonCode)})


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
    """What the policy says of a proposal. Automatic only where `reasons` is empty and `route` says so."""

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

    @property
    def automatic(self) -> bool:
        return self.route == Route.AUTO


# ---- To JSON and back -----------------------------------------------------------------------------------------------


def plain_decimal(value: Decimal) -> str:
    """`value` without exponent or superfluous zeros: one way to write one number, whatever the context rounds to."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_moment(value: datetime) -> str:
    """`value` as RFC 3339 in UTC, to the microsecond. Raises ValueError for a moment without a time zone."""
    if value.tzinfo is None:
        raise ValueError("A moment without a time zone has no place in a policy.")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> dict[str, Any]:
    return {each.name: _plain_value(getattr(value, each.name)) for each in fields(value)}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return plain_moment(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple):
        return [_plain_value(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def _read_action(key: str, document: Any, place: str) -> ActionSpec:
    read = _Reader(document, place, {each.name for each in fields(ActionSpec)} - {"key"})
    schema = document["payload_schema"]
    return ActionSpec(
        key=key,
        title=read.text("title"),
        what=read.text("what"),
        reversibility=read.choice("reversibility", Reversibility),
        payload_schema=None if schema is None else read.mapping("payload_schema"),
        amount_pointer=read.pointer("amount_pointer"),
        currency_pointer=read.pointer("currency_pointer"),
        editable=read.texts("editable"),
        layout=read.mapping("layout"),
        allowed_verdicts=read.texts("allowed_verdicts"),
        hold_seconds=read.whole("hold_seconds"),
        active=read.flag("active"),
        ask=read.text("ask"),
        sensitive=read.flag("sensitive"),
    )


def _read_row(document: Any, place: str) -> ThresholdSpec:
    read = _Reader(document, place, {each.name for each in fields(ThresholdSpec)})
    return ThresholdSpec(
        action=read.text("action"),
        model_name=read.text("model_name"),
        model_version=read.text("model_version"),
        autonomy=read.choice("autonomy", Autonomy),
        least_confidence=read.decimal_or_none("least_confidence"),
        largest_amount=read.decimal_or_none("largest_amount"),
        currency=read.text("currency"),
        verdicts_needed=read.whole("verdicts_needed", least=1),
        audit_rate=read.decimal("audit_rate"),
        deliberate_acts=read.whole("deliberate_acts", least=1),
        separation=read.flag("separation"),
        daily_count=read.whole_or_none("daily_count"),
        daily_amount=read.decimal_or_none("daily_amount"),
        subject_daily_count=read.whole_or_none("subject_daily_count"),
        subject_daily_amount=read.decimal_or_none("subject_daily_amount"),
        alpha=read.decimal_or_none("alpha"),
        delta=read.decimal_or_none("delta"),
        certificate_id=read.text("certificate_id"),
        certificate_digest=read.text("certificate_digest"),
        basis_reason=read.text("basis_reason"),
        basis_holds_until=read.moment_or_none("basis_holds_until"),
    )


def _read_rule(position: int, document: Any, place: str) -> RuleSpec:
    read = _Reader(document, place, {each.name for each in fields(RuleSpec)} - {"position"})
    return RuleSpec(
        position=position,
        expression=read.text("expression"),
        sentence=read.text("sentence"),
        ask=read.text("ask"),
        group=read.text("group"),
        verdicts_needed=read.whole("verdicts_needed", least=1),
    )


class _Reader:
    """Takes the fields of one object of a document, each of the type that it must be, and tells where one isn't."""

    def __init__(self, document: Any, place: str, names: set[str]) -> None:
        if not isinstance(document, Mapping):
            raise SpecError("An object is due here.", place)
        if odd := names.symmetric_difference(document):
            name = min(map(str, odd))
            raise SpecError("This field is missing." if name in names else "No such field.", place + pointer_to(name))
        self._document = document
        self._place = place

    def _take(self, name: str, kind: type | tuple[type, ...], due: str) -> Any:
        value = self._document[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise SpecError(f"{due} is due here.", self._place + pointer_to(name))
        return value

    def _wrong(self, name: str, detail: str) -> SpecError:
        return SpecError(detail, self._place + pointer_to(name))

    def text(self, name: str) -> str:
        return str(self._take(name, str, "Text"))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._take(name, (list, tuple), "A list of texts")
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(name, "A list of texts is due here.")
        return tuple(values)

    def flag(self, name: str) -> bool:
        return bool(self._take(name, bool, "true or false"))

    def whole(self, name: str, *, least: int = 0) -> int:
        value = int(self._take(name, int, "A whole number"))
        if value < least:
            raise self._wrong(name, f"{value} is below {least}, the least.")
        return value

    def whole_or_none(self, name: str) -> int | None:
        return None if self._document[name] is None else self.whole(name)

    def decimal(self, name: str) -> Decimal:
        try:
            value = Decimal(self._take(name, str, "A decimal number as text"))
        except InvalidOperation:
            raise self._wrong(name, "A decimal number as text is due here.") from None
        if not value.is_finite() or value < 0:
            raise self._wrong(name, "A finite number that isn't negative is due here.")
        return value

    def decimal_or_none(self, name: str) -> Decimal | None:
        return None if self._document[name] is None else self.decimal(name)

    def moment(self, name: str) -> datetime:
        try:
            value = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise self._wrong(name, "A moment as in RFC 3339 is due here.") from None
        if value.tzinfo is None:
            raise self._wrong(name, "A moment needs its time zone.")
        return value.astimezone(UTC)

    def moment_or_none(self, name: str) -> datetime | None:
        return None if self._document[name] is None else self.moment(name)

    def choice(self, name: str, choices: Any) -> Any:
        value = self.text(name)
        if value not in choices.values:
            raise self._wrong(name, f"One of {', '.join(choices.values)} is due here.")
        return choices(value)

    def pointer(self, name: str) -> str:
        value = self.text(name)
        try:
            pointer_tokens(value)
        except ValueError as error:
            raise self._wrong(name, str(error)) from None
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        return dict(self._take(name, Mapping, "An object"))

    def entries(self, name: str) -> list[tuple[str, Any]]:
        values = self._take(name, (list, tuple), "A list")
        return [(self._place + pointer_to(name, str(at)), value) for at, value in enumerate(values)]
