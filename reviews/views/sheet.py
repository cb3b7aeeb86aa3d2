"""The ticket page as its templates print it: a dossier in words, fields and figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from policies.domain.figures import grouped
from policies.domain.reasons import for_people
from policies.domain.vocabulary import ReasonCode, Reversibility, VerdictKind, WorkflowKind
from reviews.domain.changes import Change, changes_between
from reviews.domain.fields import Field, fields_of
from reviews.domain.likeness import Case, differences
from reviews.domain.text import in_words
from reviews.domain.vocabulary import FINAL, RejectReason, TicketKind, TicketState
from reviews.forms import PayloadForm
from reviews.models import Verdict, new_id
from reviews.queries import Dossier, RecentVerdict
from reviews.views.bar import Choice, SecondAct, estimate_choices, override_choices, second_act_of, weighed_choices
from reviews.views.payload import Payload, arranged

RATINGS = ((1, "No"), (3, "Partly"), (5, "Yes"))
VERY_SURE = Decimal("0.9")
TONE_OF = {Reversibility.IRREVERSIBLE: "stop", Reversibility.EXTERNALLY_REVERSIBLE: "wait"}


@dataclass(frozen=True, slots=True)
class Notice:
    """A line on top that says what just happened or changed."""

    text: str
    tone: str = "wait"


@dataclass
class Sheet:
    """What the templates of a ticket read, and nothing else. `given` is what a refused form had in it."""

    dossier: Dossier
    user: User
    now: datetime
    takeable: bool
    leads: bool = False  # may end a claim, and move it to another group
    query: str = ""  # the desk's filters, carried along
    mode: str = "read"  # read, edit or override
    form: PayloadForm | None = None
    notice: Notice | None = None
    last: RecentVerdict | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    asking: str = ""  # what was wrong with a question
    second_act_wrong: str = ""
    shows_sensitive: bool = False

    def __post_init__(self) -> None:
        self.ticket, self.decision = self.dossier.ticket, self.dossier.decision
        self.action = self.dossier.action
        self.mine = self.dossier.held
        self.request_key = new_id()

    def is_complete(self, sent: Mapping[str, Any]) -> bool:
        """Whether what was sent can go to the service: the payload can be read, and the second act was made.

        What is missing is said where it is missing.
        """
        if self.form is not None and not self.form.is_valid:
            return False
        if sent["kind"] == VerdictKind.REJECT or self.second_act is None:
            return True
        if self.second_act.is_given(sent["confirmation"]):
            return True
        self.second_act_wrong = f"Type {self.second_act.expected} to confirm."
        vars(self).pop("second_act", None)
        return False

    def explain(self, errors: Iterable[tuple[str, str]]) -> None:
        """Put what a service found wrong with an answer where it was written; errors by JSON Pointer into it."""
        left = []
        for pointer, detail in errors:
            if pointer == "/acts":
                self.second_act_wrong = detail
                vars(self).pop("second_act", None)
            elif self.form and pointer.startswith("/payload"):
                self.form.add_errors([(pointer, detail)])
            else:
                left.append(detail)
        if left:
            self.notice = Notice(" ".join(left), "stop")

    # ---- What will happen

    @cached_property
    def action_title(self) -> str:
        return self.action.title if self.action else in_words(self.dossier.table.action)

    @property
    def amount(self) -> Decimal | None:
        return self.payload.amount

    @property
    def currency(self) -> str:
        return self.payload.currency

    @cached_property
    def subject(self) -> str:
        return self.decision.subject_label or self.decision.subject_id

    @cached_property
    def title(self) -> str:
        if self.awaits_estimate:
            return f"What should be done? · {in_words(self.subject)}"
        of = f" of {grouped(self.amount)} {in_words(self.currency)}" if self.amount is not None else ""
        return f"{self.action_title}{of}" + (f" · {in_words(self.subject)}" if self.subject else "")

    @property
    def what(self) -> str:
        return self.action.what if self.action else "Nobody has registered this action: it counts as irreversible."

    @property
    def renderer(self) -> str:
        return f"reviews/payloads/{WorkflowKind(self.ticket.workflow.kind)}.html"

    @cached_property
    def payload(self) -> Payload:
        return arranged(
            self.dossier.table.payload,
            kind=self.ticket.workflow.kind,
            action=self.action,
            sensitive=bool(self.action and self.action.sensitive) and not self.shows_sensitive,
            differing=[change.pointer for change in self.unlike_the_last or () if change.pointer],
        )

    @cached_property
    def unlike_the_last(self) -> tuple[Change, ...] | None:
        """All in which this differs from what its reviewer decided just before; None where they aren't near-identical.

        Only for whoever is about to decide the AI's own proposal, as it stands.
        """
        if not self.mine or self.mode != "read" or self.dossier.table.changed_by is not None:
            return None
        if self.last is None or self.last.case is None or self.last.ticket_id == self.ticket.pk:
            return None
        decision = self.decision
        case = Case(
            workflow_id=decision.workflow_id,
            action=decision.action,
            subject_id=decision.subject_id,
            subject_label=decision.subject_label or "",
            payload=decision.payload or {},
        )
        return differences(self.last.case, case)

    @property
    def reversibility_title(self) -> str:
        return Reversibility(self.action.reversibility).label if self.action else "Unknown action"

    @property
    def reversibility_tone(self) -> str:
        return TONE_OF.get(Reversibility(self.action.reversibility), "") if self.action else "stop"

    @cached_property
    def revised(self) -> str:
        """Whose change is on the table, where it isn't the AI's own proposal."""
        change = self.dossier.table.changed_by
        if change is None:
            return ""
        verb = "edited" if change.kind == VerdictKind.EDIT else "overrode"
        return f"{_name(change.reviewer)} {verb} this; a second person confirms exactly this or decides otherwise."

    @property
    def revision(self) -> tuple[Change, ...]:
        """What whoever changed it changed of the AI's payload."""
        return changes_between(self.decision.payload or {}, self.dossier.table.payload)

    @cached_property
    def sides(self) -> list[dict[str, str]]:
        """What the others said, where they disagreed."""
        if not self.dossier.disputed:
            return []
        return [
            {"who": _name(each.reviewer), "verb": _said(each, titles=self._titles), "note": each.note or ""}
            for each in self.dossier.earlier
        ]

    # ---- What the AI says, and why somebody is asked

    @property
    def recommended_title(self) -> str:
        return self._titles.get(self.decision.action) or in_words(self.decision.action)

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        specs = [*self.dossier.overrides, *([self.action] if self.action else [])]
        return {spec.key: spec.title for spec in specs}

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Title and sentence of each."""
        named = {"action": self.decision.action, "title": self._titles.get(self.decision.action, "")}
        return [(ReasonCode(each.code).label, for_people(each, **named)) for each in self.dossier.reasons]

    @property
    def asks(self) -> list[str]:
        return list(dict.fromkeys(reason.ask for reason in self.dossier.reasons if reason.ask))

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The actions that this could be overridden to: the AI's alternatives first, in its order."""
        return override_choices(self.dossier)

    @cached_property
    def alternatives(self) -> tuple[Choice, ...]:
        """What the AI weighed, with the digit that picks it after `o`."""
        shown = self.mine and self.mode == "read" and self.may["override"]
        digits = {choice.key: choice.digit for choice in self.choices} if shown else {}
        return weighed_choices(self.dossier, digits=digits, known=self._titles)

    @cached_property
    def context(self) -> tuple[Field, ...]:
        return fields_of(self.decision.context, layout={}) if self.decision.context else ()

    @cached_property
    def questions(self) -> list[dict[str, Any]]:
        return [
            {
                "asked_by": _name(each.asked_by),
                "text": each.text,
                "answer": each.answer,
                "facts": fields_of(each.answer_context, layout={}) if each.answer_context else (),
            }
            for each in self.dossier.questions
        ]

    # ---- An audit that asks for the reviewer's own answer first

    @property
    def awaits_estimate(self) -> bool:
        """Before it, nothing is shown from which the AI's answer could be read."""
        return self.dossier.awaits_estimate

    @property
    def estimates(self) -> tuple[Choice, ...]:
        """Every action of the workflow, in an order that tells nothing."""
        return estimate_choices(self._titles)

    # ---- Deciding

    @cached_property
    def may(self) -> dict[str, bool]:
        """Which kinds of verdict the bar offers."""
        allowed = self.dossier.allowed_verdicts
        offered = {str(kind): kind in allowed for kind in VerdictKind}
        return {**offered, "edit": offered["edit"] and bool(self.dossier.editable)}

    @cached_property
    def second_act(self) -> SecondAct | None:
        """What is typed beside the key, where one key is too little."""
        return second_act_of(
            self.dossier, mode=self.mode, form=self.form, amount=self.amount, wrong=self.second_act_wrong
        )

    @property
    def asks_why(self) -> str:
        """What the note asks of whoever changes something: the answer goes into the training data."""
        sure = self.decision.confidence is not None and self.decision.confidence >= VERY_SURE
        if sure:
            return f"Why, though the AI was sure ({self.decision.confidence:.2f})? It goes into the training data"
        return "Why? It goes into the training data"

    @property
    def reject_reasons(self) -> list[tuple[str, str]]:
        return [(str(value), str(title)) for value, title in RejectReason.choices]

    @property
    def ratings(self) -> tuple[tuple[int, str], ...]:
        return RATINGS

    # ---- Where it stands

    @property
    def kind_title(self) -> str:
        """A known answer reads as the gate that it pretends to be."""
        kind = TicketKind(self.ticket.kind)
        return kind.label if kind in {TicketKind.AUDIT, TicketKind.SECOND_OPINION} else ""

    @property
    def is_audit(self) -> bool:
        return self.ticket.kind == TicketKind.AUDIT

    @property
    def stage_text(self) -> str:
        if self.dossier.disputed:
            return "Disputed: your answer is final"
        needed = self.ticket.verdicts_needed
        return f"verdict {self.ticket.stage} of {needed}" if needed > 1 else ""

    @property
    def urgent(self) -> bool:
        return self.ticket.due_at <= self.now + timedelta(hours=1)

    @property
    def is_over(self) -> bool:
        return self.ticket.state in FINAL or self.ticket.state == TicketState.DECIDED

    @property
    def policy_changed(self) -> bool:
        live = self.dossier.live_policy_number
        return not self.is_over and live is not None and live != self.dossier.policy_number

    @property
    def standing(self) -> str:
        """Who has it or how it ended, for whoever can't decide it now."""
        given = self.dossier.given
        if self.dossier.holder:
            return f"{self.dossier.holder} has this open."
        if self.ticket.state == TicketState.WAITING:
            return "A question went upstream; the ticket waits for the answer."
        if self.ticket.state == TicketState.WITHDRAWN:
            return "Upstream withdrew this. Nothing runs."
        if self.ticket.state == TicketState.EXPIRED:
            return "The deadline passed before anybody answered. Nothing runs."
        if self.is_over and given:
            verb = VERB_OF[VerdictKind(given[-1].kind)]
            return f"{verb} by {_name(given[-1].reviewer)} at {given[-1].decided_at:%H:%M:%S} UTC."
        return "You can't decide this ticket."

    # ---- Addresses

    def _url(self, name: str) -> str:
        return reverse(name, args=[self.ticket.pk])

    @cached_property
    def url(self) -> str:
        return self._url("ticket")

    @property
    def and_query(self) -> str:
        """What an address carries along: the desk's filters."""
        return f"&{self.query}" if self.query else ""

    @cached_property
    def links(self) -> dict[str, str]:
        """The addresses of everything that can be done with it."""
        return {act: self._url(f"ticket-{act}") for act in ACTS}


VERB_OF = {
    VerdictKind.APPROVE: "Approved",
    VerdictKind.EDIT: "Edited and approved",
    VerdictKind.OVERRIDE: "Overridden",
    VerdictKind.REJECT: "Rejected",
}
ACTS = (
    *("verdict", "estimate", "claim", "release", "skip", "ask", "escalate", "undo", "renew", "presence", "changes"),
    "alike",
)


def _said(verdict: Verdict, *, titles: Mapping[str, str]) -> str:
    if verdict.kind == VerdictKind.OVERRIDE:
        return f"said: {titles.get(verdict.action, in_words(verdict.action))} instead"
    if verdict.kind == VerdictKind.REJECT:
        return (
            f"rejected it ({RejectReason(verdict.reason_code).label.lower()})" if verdict.reason_code else "rejected it"
        )
    return "approved it with changes" if verdict.kind == VerdictKind.EDIT else "approved it"


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
