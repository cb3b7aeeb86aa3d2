"""Reading one row and what it refers to, by its key, as often as a page is turned.

Django composes a query anew each time, and PostgreSQL plans it anew, which takes several times as long as finding a
ticket with all that judging needs. Here Django composes it once a process, and PostgreSQL plans it once a connection.
Only for the way of a claim and a verdict; everywhere else a plain query does.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=Model)
_ANY = UUID(int=0)  # stands where the key goes


class _Composed(NamedTuple):
    text: str
    parameters: tuple[Any, ...]
    compiler: Any  # which knows where in a row each model's columns are


class ByKey(Generic[M]):
    """`rows` with a key, composed when it is first asked for. The model's key is a UUID.

    With `select_for_update` in `rows` it is asked for in a transaction, as any other query is.
    """

    def __init__(self, rows: Callable[[], QuerySet[M]]) -> None:
        self._rows = rows

    def get(self, key: UUID) -> M | None:
        """The row with its related ones and annotations; None when there is none. One statement, past Django's cursor.

        Raises what Django makes of the database's errors, and TransactionManagementError for a lock outside one.
        """
        composed = self._composed
        if composed.compiler.query.select_for_update and connection.get_autocommit():
            raise TransactionManagementError("A row is locked in a transaction.")  # Django asks as it composes only.
        parameters = [key if each == _ANY else each for each in composed.parameters]
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute(composed.text, parameters, prepare=True)
            row = cursor.fetchone()
        return None if row is None else self._model_of(row, composed.compiler)

    @cached_property
    def _composed(self) -> _Composed:
        compiler = self._rows().filter(pk=_ANY).query.get_compiler(connection=connection)
        text, parameters = compiler.as_sql()
        return _Composed(text, tuple(parameters), compiler)

    def _model_of(self, row: tuple[Any, ...], compiler: Any) -> M:
        """As django.db.models.query.ModelIterable does it."""
        select, about = compiler.select, compiler.klass_info
        (values,) = compiler.apply_converters([row], compiler.get_converters([each[0] for each in select]))
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
