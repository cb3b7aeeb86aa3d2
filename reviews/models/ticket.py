"""A request for a person's judgement, and what reviewers do around it."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q

from policies.models import Workflow
from reviews.domain.vocabulary import FINAL, UNDECIDED, TicketKind, TicketState
from reviews.models.client import Client
from reviews.models.decision import Decision, new_id

TAKEABLE = (TicketState.OPEN, TicketState.DISPUTED)
# What nobody has answered yet, and what was answered: by whom, a claim must look up.
FIRST = Q(state__in=TAKEABLE, stage=1) & ~Q(kind=TicketKind.SECOND_OPINION)
LATER = Q(state__in=TAKEABLE) & (Q(stage__gt=1) | Q(kind=TicketKind.SECOND_OPINION))


# Who is reminded of it: nobody, once both reminders are sent or the escalation group has it.
UNREMINDED = Q(
    state__in=(TicketState.OPEN, TicketState.CLAIMED, TicketState.DISPUTED),
    escalated_at__isnull=True,
    reminders_sent__lt=2,
)


class NextReminder(models.Func):
    """When half, and after that reminder nine tenths, of a ticket's time has passed, which stands still while it waits.

    Of `due_at`, `created_at`, `stood_still` and `reminders_sent`. Reckoned in UTC without a zone, since an index takes
    nothing that depends on a session's.
    """

    output_field = models.DateTimeField()

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        due, created, stood_still, sent = (compiler.compile(each)[0] for each in self.source_expressions)
        left = f"CASE {sent} WHEN 0 THEN 0.5 ELSE 0.1 END"
        return f"(({due} AT TIME ZONE 'UTC') - ({due} - {created} - {stood_still}) * ({left}))", []


class TicketQuerySet(models.QuerySet["Ticket"]):
    """The vocabulary of tickets."""

    def takeable(self) -> "TicketQuerySet":
        return self.filter(state__in=TAKEABLE)

    def undecided(self) -> "TicketQuerySet":
        return self.filter(state__in=UNDECIDED)

    def gates(self) -> "TicketQuerySet":
        return self.filter(kind=TicketKind.GATE)

    def held_by(self, user: object) -> "TicketQuerySet":
        return self.filter(state=TicketState.CLAIMED, claimed_by=user)

    def in_groups(self, groups: object) -> "TicketQuerySet":
        return self.filter(group__in=groups)

    def by_urgency(self) -> "TicketQuerySet":
        return self.order_by("priority", "created_at", "id")

    def past_due(self, *, now: datetime) -> "TicketQuerySet":
        return self.filter(
            state__in=(TicketState.OPEN, TicketState.CLAIMED, TicketState.DISPUTED),
            due_at__lte=now,
            escalated_at__isnull=True,
        )

    def past_reminder(self, *, now: datetime) -> "TicketQuerySet":
        next_reminder = NextReminder(F("due_at"), F("created_at"), F("stood_still"), F("reminders_sent"))
        return self.annotate(next_reminder=next_reminder).filter(UNREMINDED, next_reminder__lte=now)

    def past_deadline(self, *, now: datetime) -> "TicketQuerySet":
        return self.gates().undecided().filter(deadline__lte=now)

    def past_hold(self, *, now: datetime) -> "TicketQuerySet":
        return self.filter(state=TicketState.DECIDED, effective_at__lte=now)


class Ticket(models.Model):
    """Changed by the life cycle only; `version` counts the changes."""

    id = models.UUIDField(primary_key=True, default=new_id)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="tickets")
    kind = models.CharField(max_length=16, choices=TicketKind)
    state = models.CharField(max_length=12, choices=TicketState, default=TicketState.OPEN)
    # Where a claim goes back to when it ends: open, or disputed.
    resting_state = models.CharField(max_length=12, choices=TicketState, default=TicketState.OPEN)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="tickets", db_index=False)
    group = models.ForeignKey(Group, models.PROTECT, related_name="tickets")
    # 0 escalated, 1 a gate, 2 what holds up nothing.
    priority = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    deadline = models.DateTimeField(null=True)  # the decision's own; a gate expires then
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="claims", db_index=False
    )
    claimed_at = models.DateTimeField(null=True)  # also when its present holder was first shown it
    claimed_until = models.DateTimeField(null=True)
    claim_epoch = models.PositiveIntegerField(default=0)  # counts claims; a verdict carries its own
    stage = models.PositiveSmallIntegerField(default=1)
    verdicts_needed = models.PositiveSmallIntegerField(default=1)
    deliberate_acts = models.PositiveSmallIntegerField(default=1)
    estimate_first = models.BooleanField(default=False)  # an audit that asks for an own estimate before the AI's
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reserved_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    reserved_until = models.DateTimeField(null=True)  # an answer comes back to who asked, first
    asked_at = models.DateTimeField(null=True)  # while waiting, the clock of the SLA stands still
    stood_still = models.DurationField(default=timedelta, db_default=timedelta(0))  # so long it did, by earlier answers
    escalated_at = models.DateTimeField(null=True)
    escalation_note = models.TextField(null=True)  # what who passed it on wants the next person to know
    reminders_sent = models.PositiveSmallIntegerField(default=0)  # at half and at nine tenths of the time
    effective_at = models.DateTimeField(null=True)  # end of the hold
    settled_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("decision",), condition=Q(kind=TicketKind.GATE), name="one_gate"),
            models.UniqueConstraint(fields=("decision",), condition=Q(kind=TicketKind.AUDIT), name="one_audit"),
            models.UniqueConstraint(
                fields=("decision",), condition=Q(kind=TicketKind.SECOND_OPINION), name="one_second_opinion"
            ),
            models.CheckConstraint(
                condition=Q(
                    state=TicketState.CLAIMED,
                    claimed_by__isnull=False,
                    claimed_at__isnull=False,
                    claimed_until__isnull=False,
                )
                | (
                    ~Q(state=TicketState.CLAIMED)
                    & Q(claimed_by__isnull=True, claimed_at__isnull=True, claimed_until__isnull=True)
                ),
                name="a_claim_has_holder_and_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state=TicketState.DECIDED) | Q(effective_at__isnull=False),
                name="a_decided_ticket_has_a_hold",
            ),
            models.CheckConstraint(
                condition=Q(state__in=FINAL, settled_at__isnull=False)
                | (~Q(state__in=FINAL) & Q(settled_at__isnull=True)),
                name="a_final_ticket_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(TicketState.WITHDRAWN, TicketState.EXPIRED)) | Q(kind=TicketKind.GATE),
                name="only_a_gate_is_withdrawn_or_expires",
            ),
            models.CheckConstraint(condition=Q(state__in=TicketState.values), name="a_ticket_state_is_known"),
        ]
        indexes: ClassVar = [
            # The claim reads these and nothing else: what nobody has answered yet in the order of the queue, what needs
            # somebody else once more, and the leases that may have run out (queries/candidates.py).
            models.Index("group", "priority", "created_at", "id", name="queue", condition=FIRST),
            models.Index("group", "priority", "created_at", "id", name="later_stages", condition=LATER),
            models.Index("group", "claimed_until", name="leases", condition=Q(state=TicketState.CLAIMED)),
            # Of the claimed ones, as the check above says; so written it is the foreign key's as well.
            models.Index("claimed_by", name="held_tickets", condition=Q(claimed_by__isnull=False)),
            models.Index("effective_at", name="holds", condition=Q(state=TicketState.DECIDED)),
            models.Index(
                "due_at",
                name="dues",
                condition=Q(
                    state__in=(TicketState.OPEN, TicketState.CLAIMED, TicketState.DISPUTED), escalated_at__isnull=True
                ),
            ),
            models.Index(
                NextReminder(F("due_at"), F("created_at"), F("stood_still"), F("reminders_sent")),
                name="reminders",
                condition=UNREMINDED,
            ),
            models.Index(
                "deadline",
                name="deadlines",
                condition=Q(state__in=UNDECIDED, kind=TicketKind.GATE, deadline__isnull=False),
            ),
            models.Index("reserved_for", name="reserved_tickets", condition=Q(reserved_for__isnull=False)),
            models.Index(F("settled_at").desc(), name="settled_tickets", condition=Q(state=TicketState.SETTLED)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Question(models.Model):
    """A reviewer's question to upstream. Changed once, by the answer."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="questions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.TextField(null=True)
    asked_at = models.DateTimeField()
    answer = models.TextField(null=True)
    answer_context = models.JSONField(null=True)  # what upstream adds; the proposal never changes
    answered_by = models.ForeignKey(Client, models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("ticket",), condition=Q(answered_at__isnull=True), name="one_open_question_of_a_ticket"
            ),
        ]


class Skip(models.Model):
    """A reviewer passed on a ticket: it stays away from them for a while."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="skips", db_index=False)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("ticket", "reviewer"), name="one_skip_of_a_ticket_by_a_reviewer"),
        ]
