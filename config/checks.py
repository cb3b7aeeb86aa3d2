from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Doubt


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


@register(Tags.security, deploy=True)
def second_factor(**_: Any) -> list[CheckMessage]:
    """A password alone is a thin door to a console that lets actions run."""
    if settings.REQUIRE_OTP or settings.OIDC_CLIENT_ID:
        return []
    return [
        Doubt("Passwords alone open the console.", hint="Set REQUIRE_OTP=1, or log in by OIDC.", id="countersign.W001")
    ]
