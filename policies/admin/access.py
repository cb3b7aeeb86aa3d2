"""Who gets into these pages."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest

from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion
from policies.permissions import may_edit_policies


class EditedByAdmins:
    """Admins see and change; a superuser is one."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_edit_policies(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_edit_policies(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_edit_policies(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_edit_policies(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def is_open(request: HttpRequest, version: Model | None) -> bool:
    """Whether whoever asks may change this version: an admin, and while it is a draft."""
    is_draft = version is None or (isinstance(version, PolicyVersion) and version.status == VersionStatus.DRAFT)
    return is_draft and may_edit_policies(request.user)


def editor(request: HttpRequest) -> User:
    """Whoever asks, where they may edit policies. Raises PermissionDenied."""
    if isinstance(request.user, User) and may_edit_policies(request.user):
        return request.user
    raise PermissionDenied
