"""What the addresses answer, as the OpenAPI schema tells it. The values are made by domain.answer and api.rendering."""

from typing import Any, Final

from rest_framework import serializers

from policies.domain.vocabulary import ReasonCode, Route, VerdictKind
from reviews.domain.vocabulary import (
    DecisionStatus,
    EventKind,
    IntakeKind,
    LineState,
    OutcomeKind,
    OutcomeMethod,
    RejectReason,
    TicketKind,
    TicketState,
)
from reviews.models import Execution

Shape = serializers.Serializer[Any]
DECIMAL: Final = "A decimal, as a string, exactly as it was sent."
POINTER: Final = "JSON Pointer into the payload."


class Reason(Shape):
    """Why a person is asked; text that doesn't apply is empty."""

    code = serializers.ChoiceField(choices=ReasonCode.choices)
    message = serializers.CharField()
    field = serializers.CharField(allow_blank=True)
    operator = serializers.CharField(allow_blank=True)
    limit = serializers.CharField(allow_blank=True)
    observed = serializers.CharField(allow_blank=True)
    ask = serializers.CharField(allow_blank=True, help_text="What the person is to find out.")


class PolicyInForce(Shape):
    version = serializers.IntegerField()
    digest = serializers.CharField()


class Gate(Shape):
    """The ticket that the decision waits for."""

    id = serializers.UUIDField()
    group = serializers.CharField(help_text="Who is asked.")
    due_at = serializers.DateTimeField()


class Outcome(Shape):
    """The binding answer. Only `approved`, `edited` and `overridden` let something run: this action, this payload."""

    kind = serializers.ChoiceField(choices=OutcomeKind.choices)
    method = serializers.ChoiceField(choices=OutcomeMethod.choices)
    action = serializers.CharField()
    payload = serializers.DictField(allow_null=True, help_text="Null where nothing runs, or once it was purged.")
    payload_sha256 = serializers.CharField(help_text="SHA-256 of the payload in canonical JSON (RFC 8785).")
    settled_at = serializers.DateTimeField()


class OpenQuestion(Shape):
    """A reviewer's question that waits for your answer."""

    text = serializers.CharField(allow_null=True)
    asked_at = serializers.DateTimeField()


class Decision(Shape):
    id = serializers.UUIDField()
    external_id = serializers.CharField()
    status = serializers.ChoiceField(choices=DecisionStatus.choices)
    route = serializers.ChoiceField(choices=Route.choices)
    reasons = Reason(many=True)
    policy = PolicyInForce(allow_null=True, help_text="What judged; null where none was in force.")
    ticket = Gate(allow_null=True, help_text="Null where nobody is asked before it runs.")
    outcome = Outcome(allow_null=True, help_text="Null until it is settled.")
    question = OpenQuestion(required=False, help_text="While the status is `asked`.")


class Received(Shape):
    """In an intake, not yet judged."""

    id = serializers.UUIDField(help_text="The id that the decision will have.")
    status = serializers.ChoiceField(choices=[DecisionStatus.RECEIVED])
    intake = serializers.UUIDField()


class BatchReceived(Shape):
    intake = serializers.UUIDField()
    lines_total = serializers.IntegerField()


class DecisionPage(Shape):
    results = Decision(many=True)
    next_cursor = serializers.UUIDField(allow_null=True, help_text="Send it as `cursor`; null on the last page.")


class FedEvent(Shape):
    cursor = serializers.CharField(help_text="Goes on behind this event.")
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=EventKind.choices)
    at = serializers.DateTimeField()
    decision = serializers.UUIDField(allow_null=True)
    body = serializers.DictField(help_text="Ids, codes, figures and hashes; never free text.")


class EventPage(Shape):
    events = FedEvent(many=True)
    cursor = serializers.CharField(allow_blank=True, help_text="Send it as `after`.")
    more = serializers.BooleanField(help_text="Another page can be read at once.")


class IntakeLine(Shape):
    number = serializers.IntegerField(help_text="From 1.")
    decision = serializers.UUIDField(help_text="The id that was kept for it.")
    state = serializers.ChoiceField(choices=LineState.choices)
    result = serializers.DictField(
        allow_null=True, help_text="The decision, as POST /decisions answers it; or the problem that refused it."
    )


class Intake(Shape):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=IntakeKind.choices)
    lines_total = serializers.IntegerField()
    lines_done = serializers.IntegerField()
    received_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    lines = IntakeLine(many=True)
    next_after = serializers.IntegerField(allow_null=True, help_text="Send it as `after`; null on the last page.")


class Truth(Shape):
    decision = serializers.UUIDField()
    right_action = serializers.CharField()
    independent = serializers.BooleanField(help_text="Whether it counts as a label whatever it says.")
    reported_at = serializers.DateTimeField()


class Permit(Shape):
    permit = serializers.CharField(help_text="The outcome signed: a JWS in compact form (RFC 7515), alg Ed25519.")
    jti = serializers.UUIDField(help_text="Its id, to redeem it by.")
    audience = serializers.CharField()
    redeem = serializers.BooleanField(help_text="The executor must redeem it before it acts.")
    expires_at = serializers.DateTimeField()


class Redeemed(Shape):
    jti = serializers.UUIDField()
    decision = serializers.UUIDField()
    redeemed_at = serializers.DateTimeField()


class ExecutionReported(Shape):
    decision = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Execution.Status.choices)
    reported_at = serializers.DateTimeField()


class SignedHead(Shape):
    """A checkpoint of the log's tree."""

    epoch = serializers.IntegerField(help_text="Raised by each restore.")
    size = serializers.IntegerField(help_text="How many leaves it covers.")
    root = serializers.CharField(help_text="Of the tree, 32 bytes in hex.")  # type: ignore[assignment]
    signed_at = serializers.DateTimeField()
    note = serializers.CharField(help_text="The signed note (C2SP tlog-checkpoint): what counts, and what to keep.")


class NewestCheckpoint(SignedHead):
    keys = serializers.ListField(
        child=serializers.CharField(), help_text="The console's verifier keys, to be compared with those you trust."
    )


class EventProof(Shape):
    event = serializers.IntegerField()
    index = serializers.IntegerField(help_text="Of its leaf, from 0.")
    entry = serializers.CharField(help_text="The very text that is hashed, as UTF-8: the event's row (RFC 8785).")
    proof = serializers.ListField(child=serializers.CharField(), help_text="Hashes in hex, from the leaf up.")
    checkpoint = SignedHead()


class Consistency(Shape):
    first = serializers.IntegerField()
    second = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField(), help_text="Hashes in hex.")


# ---- What a reviewer reads ------------------------------------------------------------------------------------------


class Claim(Shape):
    held_by = serializers.CharField()
    mine = serializers.BooleanField()
    epoch = serializers.IntegerField(help_text="Send it with whatever you do to the ticket.")
    until = serializers.DateTimeField()


class ReadAlternative(Shape):
    action = serializers.CharField()
    title = serializers.CharField()
    confidence = serializers.CharField(allow_blank=True, help_text=DECIMAL)


class ReadModel(Shape):
    name = serializers.CharField()
    version = serializers.CharField()
    prompt = serializers.CharField(allow_blank=True)


class ReadSubject(Shape):
    type = serializers.CharField(allow_blank=True)
    id = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_null=True, allow_blank=True)  # type: ignore[assignment]
    url = serializers.CharField(allow_null=True, allow_blank=True)


class Recommendation(Shape):
    """What the AI proposed, as it was sent."""

    id = serializers.UUIDField()
    external_id = serializers.CharField()
    action = serializers.CharField(allow_blank=True)
    subject = ReadSubject()
    payload = serializers.DictField(allow_null=True)
    confidence = serializers.CharField(allow_null=True, help_text=DECIMAL)
    threshold = serializers.CharField(allow_null=True, help_text="The least confidence at which it would have run.")
    alternatives = ReadAlternative(many=True)
    reasoning = serializers.CharField(allow_null=True, allow_blank=True)
    context = serializers.DictField(allow_null=True)  # type: ignore[assignment]
    model = ReadModel()
    requested_by = serializers.CharField(allow_null=True, allow_blank=True)
    deadline = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()


class OnTheTable(Shape):
    """What an approval would let run: the recommendation, or a change that waits to be confirmed."""

    action = serializers.CharField(allow_blank=True, help_text="Empty while your own estimate is awaited.")
    title = serializers.CharField(allow_blank=True)
    what = serializers.CharField(allow_blank=True, help_text="What happens in the world when it runs.")
    reversibility = serializers.CharField(allow_blank=True)
    payload = serializers.DictField()
    payload_sha256 = serializers.CharField()
    changed_by = serializers.CharField(allow_blank=True)


class Override(Shape):
    action = serializers.CharField()
    title = serializers.CharField()


class Question(Shape):
    text = serializers.CharField(allow_null=True)
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()
    answer = serializers.CharField(allow_null=True)
    context = serializers.DictField(allow_null=True)  # type: ignore[assignment]
    answered_at = serializers.DateTimeField(allow_null=True)


class EarlierVerdict(Shape):
    stage = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=VerdictKind.choices)
    by = serializers.CharField()
    action = serializers.CharField()
    reason_code = serializers.ChoiceField(choices=RejectReason.choices, allow_blank=True)
    note = serializers.CharField(allow_null=True, allow_blank=True)
    decided_at = serializers.DateTimeField()


class Ticket(Shape):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[kind for kind in TicketKind if kind != TicketKind.KNOWN_ANSWER])
    state = serializers.ChoiceField(choices=TicketState.choices)
    version = serializers.IntegerField(help_text="Send it as `If-Match` with a verdict; it is the ETag too.")
    stage = serializers.IntegerField()
    verdicts_needed = serializers.IntegerField()
    workflow = serializers.CharField()
    group = serializers.CharField()
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    claim = Claim(allow_null=True)
    shown_sha256 = serializers.CharField(
        allow_blank=True, help_text="Send it with a verdict: it binds it to what is shown here."
    )
    awaits_estimate = serializers.BooleanField(
        help_text="Your own estimate comes first: until it is given, nothing is told of what the AI says."
    )
    proposal = OnTheTable()
    recommendation = Recommendation()
    reasons = Reason(many=True)
    policy = PolicyInForce(allow_null=True)
    questions = Question(many=True)
    earlier_verdicts = EarlierVerdict(many=True)
    disputed = serializers.BooleanField(help_text="Verdicts differ; the next one is final.")
    allowed_verdicts = serializers.ListField(child=serializers.ChoiceField(choices=VerdictKind.choices))
    overrides = Override(many=True)
    editable = serializers.ListField(child=serializers.CharField(help_text=POINTER))
    deliberate_acts = serializers.IntegerField()
    hold_seconds = serializers.IntegerField(help_text="How long a verdict can be undone.")
    outcome = Outcome(allow_null=True)


class Verdict(Shape):
    id = serializers.UUIDField()
    ticket = serializers.UUIDField()
    stage = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=VerdictKind.choices)
    action = serializers.CharField()
    payload_sha256 = serializers.CharField()
    request_key = serializers.CharField()
    decided_at = serializers.DateTimeField()
    effective_at = serializers.DateTimeField(help_text="Until then it can be undone.")


class QuestionAsked(Shape):
    ticket = serializers.UUIDField()
    text = serializers.CharField()
    asked_at = serializers.DateTimeField()
