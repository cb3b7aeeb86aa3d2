"""Log-in by an OpenID Connect provider. Named in the settings where OIDC_CLIENT_ID is set; an extra otherwise."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import SuspiciousOperation
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from config.accounts import WithRoles
from policies.permissions import ADMINS


class Provider(WithRoles, OIDCAuthenticationBackend):
    """People by their verified e-mail, in the groups that the provider says, and in no others.

    Only groups that exist here count. Who is in Admins is staff and superuser; who is no longer, is neither.
    """

    def verify_token(self, token: str, **how: Any) -> dict[str, Any]:
        """As the library, which leaves out for whom the token is and from whom."""
        claims: dict[str, Any] = super().verify_token(token, **how)
        audience = claims.get("aud")
        meant_for = audience if isinstance(audience, list) else [audience]
        if settings.OIDC_RP_CLIENT_ID not in meant_for or claims.get("iss") != settings.OIDC_ISSUER:
            raise SuspiciousOperation("The token is from another issuer, or for another client.")
        if "exp" not in claims:
            raise SuspiciousOperation("The token never ends.")
        return claims

    def verify_claims(self, claims: Mapping[str, Any]) -> bool:
        return bool(claims.get("email")) and claims.get("email_verified") is True

    def get_username(self, claims: Mapping[str, Any]) -> str:
        return str(claims["email"]).lower()

    def create_user(self, claims: Mapping[str, Any]) -> User:
        user: User = super().create_user(claims)
        return self.update_user(user, claims)

    def update_user(self, user: User, claims: Mapping[str, Any]) -> User:
        told = claims.get(settings.OIDC_GROUPS_CLAIM) or []
        groups = Group.objects.filter(name__in=[name for name in told if isinstance(name, str)])
        user.groups.set(groups)
        user.is_staff = user.is_superuser = any(group.name == ADMINS for group in groups)
        user.first_name = str(claims.get("given_name", ""))[:150]
        user.last_name = str(claims.get("family_name", ""))[:150]
        user.save(update_fields=["is_staff", "is_superuser", "first_name", "last_name"])
        return user
