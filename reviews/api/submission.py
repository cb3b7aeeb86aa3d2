"""A submission as the OpenAPI schema tells it. What is taken is read by reviews.domain.submission; a test compares."""

from rest_framework import serializers

from reviews.api.responses import Shape
from reviews.domain import submission as read


def _text(*, longest: int, help_text: str = "") -> serializers.CharField:
    return serializers.CharField(min_length=1, max_length=longest, help_text=help_text)


def _optional(*, longest: int, help_text: str = "") -> serializers.CharField:
    return serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=longest, help_text=help_text
    )


def _confidence() -> serializers.FloatField:
    return serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="Kept exactly as sent, up to 40 digits; null or missing: a person decides.",
    )


class Subject(Shape):
    """Whom or what the action is about."""

    type = _text(longest=read.MAX_SUBJECT_TYPE)
    id = _text(longest=read.MAX_SUBJECT_ID)
    label = _optional(longest=read.MAX_SUBJECT_LABEL)  # type: ignore[assignment]
    url = serializers.RegexField("^(https?://|$)", required=False, allow_null=True, max_length=read.MAX_URL)


class Alternative(Shape):
    """Another action that the AI weighed."""

    action = _text(longest=read.MAX_ACTION)
    confidence = _confidence()


class Model(Shape):
    """Which model proposes."""

    name = _text(longest=read.MAX_MODEL)
    version = _text(longest=read.MAX_MODEL)
    prompt = _optional(longest=read.MAX_MODEL, help_text="A digest of the prompt.")


class Run(Shape):
    """Your own state, given back as it came."""

    id = _optional(longest=read.MAX_RUN_ID)
    call_id = _optional(longest=read.MAX_RUN_ID)
    state = serializers.JSONField(required=False)


class Submission(Shape):
    external_id = _text(longest=read.MAX_EXTERNAL_ID, help_text="Yours; it stands for one decision, for ever.")
    workflow = _text(longest=read.MAX_WORKFLOW)
    action = _text(longest=read.MAX_ACTION, help_text="One that the workflow doesn't know goes to a person.")
    subject = Subject(required=False, allow_null=True)
    payload = serializers.DictField(
        help_text="What the action runs with. Amount and currency are read from it, where the action says."
    )
    confidence = _confidence()
    alternatives = serializers.ListField(
        child=Alternative(), required=False, allow_null=True, max_length=read.MAX_ALTERNATIVES
    )
    reasoning = _optional(longest=read.MAX_REASONING)
    context = serializers.DictField(  # type: ignore[assignment]  # A name that Serializer has too.
        required=False, allow_null=True
    )
    model = Model()
    requested_by = _optional(longest=read.MAX_REQUESTER, help_text="Whose e-mail it is can't decide on it.")
    deadline = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Undecided by then it expires, and must not run."
    )
    run = Run(required=False, allow_null=True)
