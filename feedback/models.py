"""What the verdicts teach, in rows."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from feedback.domain.vocabulary import AlarmKind, CertificateMethod, CommentKind, ExportShape, LabelSource, RunState
from policies.domain.vocabulary import Route
from policies.models import PolicyVersion, Workflow
from reviews.models import Decision, Ticket, new_id


class Label(models.Model):
    """The best known truth of a decision, from one source."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="labels")
    source = models.CharField(max_length=16, choices=LabelSource)
    ticket = models.ForeignKey(Ticket, models.PROTECT, null=True, related_name="labels")
    ai_was_right = models.BooleanField()
    right_action = models.CharField(max_length=80, blank=True)  # empty: known only that the AI's was wrong
    stands = models.BooleanField(default=True)  # the best of its decision's labels: estimates read no other
    flag_probability = models.DecimalField(max_digits=5, decimal_places=4)  # q, of the random sample
    # π: 1 if reviewed anyway, q if only because it was flagged; null enters no estimate.
    label_probability = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    # What estimates read of the decision, so that they need not join a million of them.
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="+")
    action = models.CharField(max_length=80)
    model_name = models.CharField(max_length=120)
    model_version = models.CharField(max_length=120)
    confidence = models.FloatField(null=True)
    route = models.CharField(max_length=6, choices=Route)
    flagged = models.BooleanField()
    decided_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("decision", "source"), name="one_label_of_a_source"),
            models.UniqueConstraint(fields=("decision",), condition=Q(stands=True), name="one_label_stands"),
            models.CheckConstraint(
                condition=Q(label_probability__isnull=True) | Q(label_probability__gt=0, label_probability__lte=1),
                name="a_label_probability_is_a_share",
            ),
        ]
        indexes: ClassVar = [
            models.Index("workflow", "decided_at", name="labels_by_time", condition=Q(stands=True)),
            models.Index("workflow", F("id").desc(), name="newest_labels"),
            models.Index(
                "workflow",
                F("id").desc(),
                name="overturned_audits",
                condition=Q(source=LabelSource.AUDIT, ai_was_right=False),
            ),
        ]


class Awaited(models.Model):
    """A flagged decision whose label is still to come: past the audit's SLA it counts as an error."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="+")
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="+")
    action = models.CharField(max_length=80)
    model_name = models.CharField(max_length=120)
    model_version = models.CharField(max_length=120)
    confidence = models.FloatField(null=True)
    route = models.CharField(max_length=6, choices=Route)
    flag_probability = models.DecimalField(max_digits=5, decimal_places=4)
    decided_at = models.DateTimeField()


class Tally(models.Model):
    """Decisions as they arrived (no ticket kind), and settled tickets, by day: insights read these, never the rows."""

    day = models.DateField()
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="+")
    action = models.CharField(max_length=80)
    model_name = models.CharField(max_length=120)
    model_version = models.CharField(max_length=120)
    prompt_digest = models.CharField(max_length=120, blank=True)
    policy_version = models.PositiveIntegerField(default=0)  # its number; 0 where none judged
    route = models.CharField(max_length=6, choices=Route)
    ticket_kind = models.CharField(max_length=16, blank=True)  # empty: a decision, as it was routed
    band = models.PositiveSmallIntegerField(null=True)  # confidence in tenths, 0 to 9; null: none
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    verdict = models.CharField(max_length=8, blank=True)
    flagged = models.BooleanField(default=False)
    flag_probability = models.DecimalField(max_digits=5, decimal_places=4, default=0)  # q, of the random sample
    count = models.PositiveIntegerField(default=0)
    in_time = models.PositiveIntegerField(default=0)  # of them, decided before the ticket was due
    seconds = models.FloatField(default=0)  # from shown to decided, summed

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=(
                    "day",
                    "workflow",
                    "action",
                    "model_name",
                    "model_version",
                    "prompt_digest",
                    "policy_version",
                    "route",
                    "ticket_kind",
                    "band",
                    "reviewer",
                    "verdict",
                    "flagged",
                    "flag_probability",
                ),
                name="one_tally_of_a_kind",
                nulls_distinct=False,
            ),
        ]
        indexes: ClassVar = [models.Index("workflow", "day", name="tallies_by_day")]


class ReasonTally(models.Model):
    """Settled gates counted by reason, apart, since a decision has several."""

    day = models.DateField()
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="+")
    action = models.CharField(max_length=80)
    model_name = models.CharField(max_length=120)
    model_version = models.CharField(max_length=120)
    reason = models.CharField(max_length=24)
    verdict = models.CharField(max_length=8)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("day", "workflow", "action", "model_name", "model_version", "reason", "verdict"),
                name="one_reason_tally_of_a_kind",
            ),
        ]
        indexes: ClassVar = [models.Index("workflow", "day", name="reason_tallies_by_day")]


class Collector(models.Model):
    """How far the log was read into labels and tallies: one row, locked by whoever reads on.

    What a stretch of the log teaches and the place behind it are written together, so that nothing counts twice.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.PositiveSmallIntegerField(default=1)
    xid = models.BigIntegerField(default=0)
    event = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="one_collector")]


class Certificate(models.Model):
    """Evidence for a threshold. Never changed, but withdrawn."""

    id = models.UUIDField(primary_key=True, default=new_id)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="certificates")
    action = models.CharField(max_length=80, blank=True)  # empty: the default row, all actions pooled
    model_name = models.CharField(max_length=120, blank=True)  # empty: any
    model_version = models.CharField(max_length=120, blank=True)
    method = models.CharField(max_length=16, choices=CertificateMethod)
    alpha = models.FloatField()
    delta = models.FloatField()
    n = models.PositiveIntegerField()
    errors = models.PositiveIntegerField()
    bound = models.FloatField()  # upper bound of the error rate that the evidence supports
    threshold = models.FloatField()
    detail = models.JSONField(default=dict)  # the grid, the starts
    data_digest = models.CharField(max_length=71)  # of the labels
    digest = models.CharField(max_length=71)  # of everything above: what a policy row that stands on it quotes
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index("workflow", "action", name="certificates_by_action")]

    def __str__(self) -> str:
        model = f"{self.model_name} {self.model_version}".strip() or "any model"
        return f"{self.action or 'Any action'} · {model}"


class Look(models.Model):
    """One look at labels that did not exist when it was planned: taken once, whatever it finds, or withdrawn before."""

    id = models.UUIDField(primary_key=True, default=new_id)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="looks")
    action = models.CharField(max_length=80, blank=True)  # empty: the default row, all actions pooled
    model_name = models.CharField(max_length=120, blank=True)  # empty: any
    model_version = models.CharField(max_length=120, blank=True)
    alpha = models.FloatField()
    delta = models.FloatField()
    n = models.PositiveIntegerField()  # decisions of the random sample that it waits for
    seen = models.PositiveIntegerField(default=0)  # of them that there were at the last sweep
    planned_at = models.DateTimeField()
    planned_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    taken_at = models.DateTimeField(null=True)
    certificate = models.OneToOneField(Certificate, models.PROTECT, null=True, related_name="look")
    why_none = models.TextField(blank=True)  # where it was taken and no threshold qualified
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    withdrawn_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("workflow", "action", "model_name", "model_version"),
                condition=Q(taken_at__isnull=True, withdrawn_at__isnull=True),
                name="one_look_waits",
            ),
            models.CheckConstraint(
                condition=Q(taken_at__isnull=True) | Q(withdrawn_at__isnull=True), name="a_look_taken_is_not_withdrawn"
            ),
            models.CheckConstraint(
                condition=Q(certificate__isnull=True) | Q(taken_at__isnull=False),
                name="a_look_gives_its_certificate_when_taken",
            ),
        ]


class Alarm(models.Model):
    """Something that people must look at: what, when, and the evidence."""

    kind = models.CharField(max_length=20, choices=AlarmKind)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="alarms")
    action = models.CharField(max_length=80, blank=True)
    model_name = models.CharField(max_length=120, blank=True)  # empty: any
    model_version = models.CharField(max_length=120, blank=True)
    message = models.TextField()
    evidence = models.JSONField(default=dict)
    raised_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)  # what they make of it
    over_at = models.DateTimeField(null=True, blank=True)  # open until then, acknowledged or not
    over_because = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("kind", "workflow", "action", "model_name", "model_version"),
                condition=Q(over_at__isnull=True),
                name="one_open_alarm",
            ),
        ]

    def __str__(self) -> str:
        return self.message


class Seed(models.Model):
    """A case whose truth is known, from which known answers are cloned: a settled decision, or one brought along."""

    id = models.UUIDField(primary_key=True, default=new_id)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="seeds")
    decision = models.OneToOneField(Decision, models.PROTECT, null=True, related_name="seed")
    content = models.JSONField(null=True)  # a submission, where it was brought along
    right_action = models.CharField(max_length=80)
    ai_is_right = models.BooleanField()
    evidence = models.CharField(max_length=300)
    active = models.BooleanField(default=True)
    planted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    planted_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(decision__isnull=False, content__isnull=True)
                | Q(decision__isnull=True, content__isnull=False),
                name="a_seed_is_a_decision_or_was_brought_along",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class KnownAnswer(models.Model):
    """The truth of a seeded decision, as it was known when the seed was sown."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="known_answer")
    seed = models.ForeignKey(Seed, models.PROTECT, related_name="sown")
    right_action = models.CharField(max_length=80)
    ai_is_right = models.BooleanField()
    evidence = models.CharField(max_length=300, blank=True)


class Comment(models.Model):
    """On a decision, also after it settled. Exported with it."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=CommentKind, default=CommentKind.NOTE)
    text = models.TextField()
    suggested_answer = models.TextField(blank=True)
    at = models.DateTimeField()


class Run(models.Model):
    """A long piece of work in resumable chunks."""

    id = models.UUIDField(primary_key=True, default=new_id)
    state = models.CharField(max_length=8, choices=RunState, default=RunState.WAITING)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    inputs = models.JSONField(default=dict)
    result = models.JSONField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)


class Backtest(Run):
    """A draft replayed over past decisions."""

    version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="backtests")
    digest = models.CharField(max_length=71)  # of exactly the draft that was replayed

    class Meta:
        verbose_name = "back-test"
        verbose_name_plural = "back-tests"


class Export(Run):
    """Training data in a file below VAR_DIR/exports. `result` is its manifest."""

    workflow = models.ForeignKey(Workflow, models.PROTECT, null=True, related_name="exports")
    shape = models.CharField(max_length=28, choices=ExportShape, default=ExportShape.DECISIONS)
    path = models.CharField(max_length=300, blank=True)
