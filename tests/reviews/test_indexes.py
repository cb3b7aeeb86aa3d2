"""What a foreign key without an index of its own rests on instead."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey

# Nothing deletes these: the log names them.
NEVER_DELETED = {"Workflow", "Client", "Decision", "Event", "Verdict"}
BARE = [
    field
    for model in apps.get_app_config("reviews").get_models()
    for field in model._meta.get_fields()
    if isinstance(field, ForeignKey) and not field.unique and not field.db_index
]


def first_columns(table: str) -> set[str]:
    """Of the indexes that hold every row in which their first column is set."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.attname FROM pg_index i
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = %s::regclass
               AND (i.indpred IS NULL
                    OR pg_get_expr(i.indpred, i.indrelid) = format('(%%I IS NOT NULL)', a.attname))
            """,
            [table],
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
@pytest.mark.parametrize("field", BARE, ids=str)
def test_another_index_begins_with_it_or_what_it_names_is_never_deleted(field: Any):
    assert field.related_model.__name__ in NEVER_DELETED or field.column in first_columns(field.model._meta.db_table)


def test_there_are_some():
    assert len(BARE) > 10
