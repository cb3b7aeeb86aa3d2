"""What a reviewer can press on a ticket: the actions to choose from, and what is typed beside the key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from policies.domain.figures import grouped
from policies.domain.spec import ActionSpec
from policies.domain.vocabulary import Reversibility, VerdictKind
from reviews.domain.fields import shown_whole
from reviews.forms import PayloadForm
from reviews.queries import Dossier
from reviews.views.payload import amount_of, as_number

DIGITS = 9


@dataclass(frozen=True, slots=True)
class SecondAct:
    """What is typed to approve where one key is too little. `wrong` says that it wasn't."""

    label: str
    expected: str
    wrong: str = ""

    def is_given(self, text: str) -> bool:
        """Typed as asked, whatever the case, the blanks, and the commas between thousands."""
        return _typed(text) == _typed(self.expected)


def _typed(text: str) -> str:
    return "".join(text.split()).replace(",", "").casefold()


@dataclass(frozen=True, slots=True)
class Choice:
    """Another action that can be chosen, with the AI's confidence in it where it gave one."""

    key: str
    title: str
    digit: int | None
    confidence: Decimal | None = None
    known: bool = True
    irreversible: bool = False


def override_choices(dossier: Dossier) -> tuple[Choice, ...]:
    """The actions that this could be overridden to: the AI's alternatives first, in its order."""
    weighed = {each.action: as_number(each.confidence) for each in dossier.alternatives}
    by_key = {spec.key: spec for spec in dossier.overrides}
    ordered = [key for key in weighed if key in by_key]
    ordered += sorted((key for key in by_key if key not in weighed), key=lambda key: by_key[key].title)
    return tuple(
        Choice(
            key=key,
            title=by_key[key].title,
            digit=place if place <= DIGITS else None,
            confidence=weighed.get(key),
            irreversible=by_key[key].reversibility == Reversibility.IRREVERSIBLE,
        )
        for place, key in enumerate(ordered, start=1)
    )


def weighed_choices(dossier: Dossier, *, digits: Mapping[str, int | None], known: Iterable[str]) -> tuple[Choice, ...]:
    """What the AI weighed, with the digit that picks it after `o`."""
    known = frozenset(known)
    return tuple(
        Choice(
            key=each.action,
            title=each.title,
            digit=digits.get(each.action),
            confidence=as_number(each.confidence),
            known=each.action in known,
        )
        for each in dossier.alternatives
    )


def estimate_choices(titles: Mapping[str, str]) -> tuple[Choice, ...]:
    """Every action of the workflow, by key and title, in an order that tells nothing."""
    by_title = sorted(titles.items(), key=lambda item: item[1])
    return tuple(
        Choice(key=key, title=title, digit=place if place <= DIGITS else None)
        for place, (key, title) in enumerate(by_title, start=1)
    )


def second_act_of(
    dossier: Dossier, *, mode: str, form: PayloadForm | None, amount: Decimal | None, wrong: str
) -> SecondAct | None:
    """What is typed beside the key: where the policy says two acts, and where no page shows the payload whole.

    `amount` is that of the payload on the table; a form has one of its own.
    """
    target: ActionSpec | None = form.spec if form else dossier.action
    two = dossier.deliberate_acts > 1 or bool(wrong)
    if target is None or target.reversibility == Reversibility.IRREVERSIBLE:
        two = two or mode == VerdictKind.OVERRIDE
    if not shown_whole(dossier.table.payload):
        return SecondAct("Too much for one page. When you have read it whole, type “read”", "read", wrong)
    if not two:
        return None
    amount = amount_of(form.payload, action=target) if form else amount
    if amount is not None:
        return SecondAct(f"Type the amount, {grouped(amount)}, to confirm", grouped(amount), wrong)
    word = (target.title if target else "confirm").split()[0].casefold()
    return SecondAct(f"Type “{word}” to confirm", word, wrong)
