"""Column types of PostgreSQL that Django has no field for."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Func


class ExactDecimalField(models.Field):
    """A `numeric` without a scale: keeps a decimal exactly as it was sent, where numeric(7,6) would round."""

    description = "Exact decimal"

    def db_type(self, connection: object) -> str:
        return "numeric"

    def to_python(self, value: object) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            return Decimal(str(value))
        except InvalidOperation as error:
            raise ValidationError(f"{value!r} is not a decimal number.") from error

    def get_prep_value(self, value: object) -> object:
        value = super().get_prep_value(value)
        return self.to_python(value) if isinstance(value, str | int | float) else value


class CurrentTransaction(Func):
    """The full id of the transaction that writes the row."""

    function = "pg_current_xact_id"
    template = "%(function)s()"


class TransactionIdField(models.Field):
    """An `xid8`: which transaction wrote the row, so that readers can stop short of the unfinished ones."""

    description = "Transaction id"

    def __init__(self, **options: Any) -> None:
        options.setdefault("db_default", CurrentTransaction(output_field=models.BigIntegerField()))
        options["editable"] = False
        super().__init__(**options)

    def db_type(self, connection: object) -> str:
        return "xid8"

    def from_db_value(self, value: object, expression: object, connection: object) -> int | None:
        return None if value is None else int(str(value))
