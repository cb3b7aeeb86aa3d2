"""What the addresses take: each body and each set of query parameters, exactly."""

from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

from policies.domain.vocabulary import VerdictKind
from reviews.api.strict import StrictSerializer, string
from reviews.domain.submission import read_moment
from reviews.domain.vocabulary import DecisionStatus, LeadReason, RejectReason
from reviews.models import Execution
from reviews.services.answers import LONGEST_KEY, LONGEST_NOTE

LONGEST_TEXT: Final = 10_000
LARGEST_WHOLE: Final = 2**31 - 1  # of a column
LARGEST_LONG: Final = 2**53 - 1  # more leaves than any program in between keeps exact
MOST_ON_A_PAGE: Final = 200
MOST_EVENTS: Final = 1_000
MOST_LINES: Final = 1_000
LONGEST_WAIT: Final = 60  # seconds


class Nothing(StrictSerializer):
    """No body, or an empty object."""


class Cancel(StrictSerializer):
    reason = string(longest=LONGEST_TEXT, required=False)


class AnswerToQuestion(StrictSerializer):
    text = string(longest=LONGEST_TEXT)
    context = serializers.DictField(  # type: ignore[assignment]  # A name that Serializer has too.
        required=False, allow_null=True, help_text="Added to what the reviewer sees; the proposal never changes."
    )


class TruthOfOne(StrictSerializer):
    right_action = string(longest=80)
    detail = string(longest=LONGEST_TEXT, required=False)


class TruthElsewhere(TruthOfOne):
    client = string(longest=120, required=False)
    client.help_text = "The name of the client that submitted it; your own where it is left out."
    external_id = string(longest=255)


class ExecutionReport(StrictSerializer):
    status = serializers.ChoiceField(choices=Execution.Status.choices)
    detail = string(longest=LONGEST_TEXT, required=False)


class ForExecutor(StrictSerializer):
    audience = string(longest=120)
    audience.help_text = "The name of the executor's client, which is to act."


class Redeem(StrictSerializer):
    act_sha256 = serializers.RegexField(
        "^[0-9a-f]{64}$",
        max_length=64,
        trim_whitespace=False,
        help_text="SHA-256 of the canonical JSON (RFC 8785) of the payload that is about to run.",
    )


class NextTicket(StrictSerializer):
    """What the next ticket should be; nothing is anything."""

    workflow = string(longest=50, required=False)
    action = string(longest=80, required=False)
    reason = string(longest=24, required=False)
    model = string(longest=120, required=False)
    text = string(longest=255, required=False)


class Claimed(StrictSerializer):
    epoch = serializers.IntegerField(min_value=0, max_value=LARGEST_WHOLE, help_text="The claim's, from the ticket.")


class Ask(Claimed):
    text = string(longest=LONGEST_TEXT)


class Escalate(Claimed):
    note = string(longest=LONGEST_NOTE, required=False)


class EndClaim(StrictSerializer):
    reason = serializers.ChoiceField(choices=LeadReason.choices)


class MoveTicket(EndClaim):
    group = string(longest=150)
    group.help_text = "The name of another group that the ticket's workflow asks."


class GiveEstimate(Claimed):
    action = string(longest=80)
    action.help_text = "What you would do: an action of the workflow."


class GiveVerdict(Claimed):
    kind = serializers.ChoiceField(choices=VerdictKind.choices)
    shown_sha256 = serializers.RegexField(
        "^[0-9a-f]{64}$",
        max_length=64,
        trim_whitespace=False,
        help_text="From the ticket: binds the verdict to what was shown.",
    )
    request_key = string(longest=LONGEST_KEY)
    request_key.help_text = "Made up by you; a resend under the same key gets the stored verdict."
    action = string(longest=80, required=False)
    action.help_text = "Of an override: what is to run instead."
    payload = serializers.DictField(
        required=False, allow_null=True, help_text="Of an edit or override: the whole payload that is to run."
    )
    material = serializers.BooleanField(
        required=False, allow_null=True, help_text="Of an edit: whether it changes the substance, or only the style."
    )
    reason_code = serializers.ChoiceField(choices=RejectReason.choices, required=False, allow_blank=True)
    note = string(longest=LONGEST_NOTE, required=False)
    reasoning_rating = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=5, help_text="Of the AI's reasoning; 5 is best."
    )
    acts = serializers.IntegerField(
        required=False, min_value=1, max_value=2, help_text="How many deliberate acts of the person this stands for."
    )


class Moment(serializers.DateTimeField):
    """With its offset: what hour it is without one, nobody can say."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = read_moment(str(value))
        if moment is None:
            raise serializers.ValidationError("A moment of RFC 3339 is needed, such as 2026-12-01T12:00:00Z.")
        return moment


class Query(serializers.Serializer[Any]):
    """Query parameters: everything in them is text, which the fields read."""


class OneDecision(Query):
    wait = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text="Seconds to wait for it to settle or change; answered at once when too many wait already.",
    )


class ListedDecisions(Query):
    external_id = serializers.CharField(required=False, max_length=255, trim_whitespace=False)
    workflow = serializers.CharField(required=False, max_length=50, trim_whitespace=False)
    status = serializers.ChoiceField(required=False, choices=DecisionStatus.choices)
    action = serializers.CharField(required=False, max_length=80, trim_whitespace=False)
    since = Moment(required=False, help_text="Received at or after this moment (RFC 3339).")
    cursor = serializers.UUIDField(required=False, help_text="`next_cursor` of the page before.")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_ON_A_PAGE, default=50)


class Feed(Query):
    after = serializers.RegexField(
        r"^\d{1,4}\.\d{1,18}\.\d{1,18}$",
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=42,
        help_text="`cursor` of the page before; empty starts anew.",
    )
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_EVENTS, default=100)


class IntakeLines(Query):
    after = serializers.IntegerField(
        required=False, min_value=0, max_value=LARGEST_WHOLE, default=0, help_text="The number of the last line seen."
    )
    limit = serializers.IntegerField(required=False, min_value=0, max_value=MOST_LINES, default=MOST_LINES)


class Consistency(Query):
    first = serializers.IntegerField(
        min_value=0,
        max_value=LARGEST_LONG,
        help_text="Leaves of the tree that you know: the size of a checkpoint kept.",
    )
    second = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=LARGEST_LONG,
        help_text="Leaves of the later one; the newest if left out.",
    )
