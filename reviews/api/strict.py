"""Bodies and queries that say exactly what they take. DRF alone would let "5" through as 5, and true as "True"."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings

from policies.domain.strict_json import SAYS_SOMETHING
from reviews.api.problems import Problem

# The type that JSON must give for a field of a class, and its name in a sentence. The first that fits counts.
JSON_TYPES: Final = (
    (serializers.BooleanField, bool, "true or false"),
    (serializers.IntegerField, int, "a whole number"),
    (serializers.DictField, dict, "an object"),
    (serializers.Field, str, "a string"),
)


def string(*, longest: int, required: bool = True) -> serializers.CharField:
    """A string kept as it was sent; a required one says something: it isn't only blanks."""
    if required:
        return serializers.RegexField(SAYS_SOMETHING, min_length=1, max_length=longest, trim_whitespace=False)
    return serializers.CharField(max_length=longest, required=False, allow_blank=True, trim_whitespace=False)


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object with these fields and no others, each of its own JSON type."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["The body must be an object."]})
        faults: dict[str, list[str]] = {}
        for name, value in data.items():
            field = self.fields.get(name)
            if field is None:
                faults[name] = [f"No such field; known are {', '.join(sorted(self.fields))}."]
            elif value is not None and (fault := _fault_of_type(field, value)):
                faults[name] = [fault]
        if faults:
            raise ValidationError(faults)
        read: dict[str, Any] = super().to_internal_value(data)
        return read


def _fault_of_type(field: serializers.Field, value: object) -> str:
    for kind, wanted, words in JSON_TYPES:
        if isinstance(field, kind):
            # 1.0 is a whole number too (JSON Schema, 6.1.1).
            fits = type(value) is wanted or (wanted is int and isinstance(value, float) and value.is_integer())
            return "" if fits else f"{field.field_name} must be {words}."
    return ""


class InvalidQuery(Problem):
    """Query parameters that can't be taken (422); `errors` names each."""

    def __init__(self, faults: list[dict[str, str]]) -> None:
        detail = "; ".join(f"{fault['parameter']}: {fault['detail']}" for fault in faults[:3])
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid", errors=faults)


def read_body(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """The body as `serializer` takes it. Raises ValidationError, and what the parser refuses."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def read_query(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The query parameters as `serializer` takes them, each at most once. Raises InvalidQuery."""
    known = serializer().fields
    faults = [
        {"parameter": name, "detail": f"No such parameter; known are {', '.join(sorted(known))}."}
        for name in request.query_params
        if name not in known
    ]
    faults += [
        {"parameter": name, "detail": f"{name} stands {len(values)} times; once is taken."}
        for name, values in request.query_params.lists()
        if name in known and len(values) > 1
    ]
    reader = serializer(data=request.query_params.dict())
    if not reader.is_valid():
        faults += [{"parameter": name, "detail": str(found[0])} for name, found in reader.errors.items()]
    if faults:
        raise InvalidQuery(faults)
    return dict(reader.validated_data)
