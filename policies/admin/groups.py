"""Groups of people: those whose names something stands on keep them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from policies.permissions import ADMINS, AUDITORS, LEADS
from policies.queries import versions_that_ask

ROLES = {
    ADMINS: "Its members edit policies and everything in these pages.",
    LEADS: "Its members stop what runs alone, and read the insights.",
    AUDITORS: "Its members read the log and the insights.",
}

admin.site.unregister(Group)


@admin.register(Group)
class NamedGroupAdmin(GroupAdmin):
    """A role is known by its name, and so is a group that a rule of a policy asks: neither is renamed or deleted."""

    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        return ("name", "why_it_stays") if obj and _stays(obj) else ()

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        return ("name", "why_it_stays", "permissions") if obj and _stays(obj) else ("name", "permissions")

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and _stays(obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    @admin.display(description="Its name stays")
    def why_it_stays(self, group: Group) -> str:
        return _stays(group)


def _stays(group: Group) -> str:
    """Why a group keeps its name, in a sentence; "" where it may be renamed."""
    if group.name in ROLES:
        return f"It is a role. {ROLES[group.name]}"
    named_by = [f"{version.workflow} {version.number}" for version in versions_that_ask(group)]
    return f"Rules in force send tickets to it by its name: {', '.join(named_by)}." if named_by else ""
