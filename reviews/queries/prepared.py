"""Reading rows in the same way as often as a page is turned.

Django composes a query anew each time, and PostgreSQL plans it anew, which takes several times as long as finding a
ticket with all that judging needs. Here Django composes it once a process, and PostgreSQL plans it once a connection.
Only for the way of a claim and a verdict; everywhere else a plain query does.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError
from psycopg.types.numeric import Int8

M = TypeVar("M", bound=Model)
Row = tuple[Any, ...]
# What stands where a value of each type goes while a query is composed; nothing is called so.
_STAND_INS: Final[Mapping[type, Any]] = {
    UUID: UUID(int=0),
    int: 2**31 - 1,
    str: "\x01",
    datetime: datetime.min.replace(tzinfo=UTC),
}


class _Composed(NamedTuple):
    text: str
    parameters: Row
    compiler: Any  # which knows where in a row each model's columns are

    def found(self, values: Mapping[Any, Any]) -> list[Row]:
        """The rows as Django converts them, with these values for their stand-ins. One statement, past its cursor.

        Raises what Django makes of the database's errors.
        """
        parameters = [self._given(each, values) for each in self.parameters]
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute(self.text, parameters, prepare=True)
            rows: list[Row] = cursor.fetchall()
        columns = [each[0] for each in self.compiler.select]
        return list(self.compiler.apply_converters(rows, self.compiler.get_converters(columns)))

    @staticmethod
    def _given(parameter: Any, values: Mapping[Any, Any]) -> Any:
        try:
            value = values.get(parameter, parameter)
        except TypeError:  # An array is no stand-in, and can't be looked up.
            return parameter
        # Of one size, since a statement is prepared for the types of its parameters.
        return Int8(value) if isinstance(parameter, int) and value is not parameter else value


def _compose(rows: QuerySet[Any]) -> _Composed:
    compiler = rows.query.get_compiler(connection=connection)
    text, parameters = compiler.as_sql()
    return _Composed(text, tuple(parameters), compiler)


class Values:
    """What `rows`, a query with values(), gives for values of these kinds, each of another type."""

    def __init__(self, rows: Callable[..., QuerySet[Any, Any]], *kinds: type) -> None:
        self._rows = rows
        self._stand_ins = [_STAND_INS[kind] for kind in kinds]

    def get(self, *values: Any) -> list[dict[str, Any]]:
        """The rows by column, as values() has them."""
        composed, names = self._composed
        found = composed.found(dict(zip(self._stand_ins, values, strict=True)))
        return [dict(zip(names, row, strict=True)) for row in found]

    def first(self, *values: Any) -> dict[str, Any] | None:
        """The first of them."""
        return next(iter(self.get(*values)), None)

    @cached_property
    def _composed(self) -> tuple[_Composed, Sequence[str]]:
        rows = self._rows(*self._stand_ins)
        composed = _compose(rows)
        assert set(self._stand_ins) <= {each for each in composed.parameters if each.__hash__}, "each is asked for"
        return composed, list(rows.query.selected or ())


class ByKey(Generic[M]):
    """`rows` with a key, composed when it is first asked for. The model's key is of the given kind.

    With `select_for_update` in `rows` it is asked for in a transaction, as any other query is.
    """

    def __init__(self, rows: Callable[[], QuerySet[M]], kind: type = UUID) -> None:
        self._rows = rows
        self._stand_in = _STAND_INS[kind]

    def get(self, key: UUID | int) -> M | None:
        """The row with its related ones and annotations; None when there is none. One statement, past Django's cursor.

        Raises what Django makes of the database's errors, and TransactionManagementError for a lock outside one.
        """
        composed = self._composed
        if composed.compiler.query.select_for_update and connection.get_autocommit():
            raise TransactionManagementError("A row is locked in a transaction.")  # Django asks as it composes only.
        rows = composed.found({self._stand_in: key})
        return self._model_of(rows[0], composed.compiler) if rows else None

    @cached_property
    def _composed(self) -> _Composed:
        return _compose(self._rows().filter(pk=self._stand_in))

    def _model_of(self, values: Row, compiler: Any) -> M:
        """As django.db.models.query.ModelIterable does it."""
        select, about = compiler.select, compiler.klass_info
        fields = about["select_fields"]
        names = [select[at][0].target.attname for at in fields]
        model: M = about["model"].from_db(connection.alias, names, values[fields[0] : fields[-1] + 1])
        # The stubs are those of Django 6, which takes one more.
        populators = get_related_populators(about, select, connection.alias)  # type: ignore[call-arg]
        for populator in populators:
            populator.populate(values, model)
        for name, at in (compiler.annotation_col_map or {}).items():
            setattr(model, name, values[at])
        return model
