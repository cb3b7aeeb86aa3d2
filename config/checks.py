from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.database, deploy=True)
def two_roles(**_: Any) -> list[CheckMessage]:
    """The application must not connect as the role that owns the tables: grants and triggers would bind nobody."""
    owner = settings.DATABASES.get("owner")
    if owner is not None and owner["USER"] == settings.DATABASES["default"]["USER"]:
        return [
            Error(
                "DATABASE_URL and DATABASE_OWNER_URL name the same role.",
                hint="Give the application a role of its own; see docs/operations.md.",
                id="countersign.E001",
            )
        ]
    return []
