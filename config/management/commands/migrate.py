"""`manage.py migrate` as the owner, with the grants that the application role needs.

Every new table is open to the application role for SELECT, INSERT, UPDATE and DELETE by the owner's default
privileges; the migrations that make tables immutable take rights away again.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections
from psycopg import sql

GRANTS = (
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        if "owner" in settings.DATABASES:
            parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        role = settings.DATABASES["default"]["USER"]
        connection = connections[options["database"]]
        if connection.settings_dict["USER"] != role:
            with connection.cursor() as cursor:
                for grant in GRANTS:
                    cursor.execute(sql.SQL(grant).format(role=sql.Identifier(role)))
        super().handle(*args, **options)
