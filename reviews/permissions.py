"""Who may do what to a ticket: asked by pages, API and services alike.

A reviewer is whoever is in the group that a ticket waits in. Leads, admins and auditors look; being one of them, or a
superuser, makes nobody a reviewer. Nobody decides what they asked for themselves.
"""

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User

from policies.permissions import ADMINS, AUDITORS, LEADS, is_admin, may_pause
from reviews.models import Decision, Ticket
from reviews.queries.prepared import Values

__all__ = [
    "Groups",
    "groups_of",
    "is_admin",
    "is_auditor",
    "is_lead",
    "is_reviewer",
    "may_decide",
    "may_pause",
    "may_read_log",
    "may_see_personal_fields",
    "may_see_status",
    "may_see_ticket",
    "reviewable_groups",
]

Somebody = User | AnonymousUser | AbstractBaseUser
OVERSEERS = frozenset({ADMINS, LEADS, AUDITORS})


Groups = Mapping[int, str]


def groups_of(user: Somebody) -> Groups:
    """The names of the user's groups by id; none for who isn't active. One query.

    Whoever asks several questions of one moment reads them once, and gives them to each.
    """
    if not isinstance(user, User) or not user.is_active:
        return {}
    return {group["id"]: group["name"] for group in _GROUPS_OF.get(user.pk)}


_GROUPS_OF = Values(lambda user: Group.objects.filter(user=user).values("id", "name"), int)


def is_lead(user: Somebody, *, groups: Groups | None = None) -> bool:
    """Whether they may pause, look at everything, and say whose a ticket is. No query where `groups` are known."""
    return LEADS in (groups_of(user) if groups is None else groups).values()


def is_auditor(user: Somebody) -> bool:
    """Whether they may look at everything."""
    return AUDITORS in groups_of(user).values()


def is_reviewer(user: Somebody) -> bool:
    """Whether some workflow asks a group of theirs. One query."""
    return (
        isinstance(user, User)
        and user.is_active
        and (
            user.groups.filter(reviewed_workflows__isnull=False)
            .union(user.groups.filter(escalated_workflows__isnull=False))
            .exists()
        )
    )


def reviewable_groups(user: Somebody) -> frozenset[int]:
    """The ids of the groups whose tickets `user` may take. One query."""
    return frozenset(groups_of(user))


def may_decide(user: Somebody, ticket: Ticket, *, groups: Groups | None = None) -> bool:
    """In the group that it waits in, and not who asked for the action. One query, or none where `groups` are known."""
    return ticket.requester_id != user.pk and ticket.group_id in (groups_of(user) if groups is None else groups)


def may_see_ticket(user: Somebody, ticket: Ticket, *, groups: Groups | None = None) -> bool:
    """Who may decide it or once could, or whose office it is to look; its requester only as the latter.

    One query, or none where `groups` are known.
    """
    groups = groups_of(user) if groups is None else groups
    if _oversees(user, groups):
        return True
    asked = {ticket.group_id, ticket.workflow.review_group_id, ticket.workflow.escalation_group_id}
    return ticket.requester_id != user.pk and not asked.isdisjoint(groups)


def may_see_personal_fields(
    user: Somebody, decision: Decision, *, ticket: Ticket | None = None, groups: Groups | None = None
) -> bool:
    """Whoever its workflow asks, or the group that this `ticket` of it waits in; not its requester.

    To look at everything is no reason to read whom it is about: the others are shown a mask. One query, or none where
    `groups` are known.
    """
    workflow = ticket.workflow if ticket else decision.workflow
    asked = {workflow.review_group_id, workflow.escalation_group_id, *([ticket.group_id] if ticket else [])}
    return decision.requester_id != user.pk and not asked.isdisjoint(groups_of(user) if groups is None else groups)


def may_see_status(user: Somebody) -> bool:
    """Leads and admins see how the work and the machine stand. One query."""
    return may_pause(user)


def may_read_log(user: Somebody) -> bool:
    """Leads, auditors and admins read every decision. One query."""
    return _oversees(user, groups_of(user))


def _oversees(user: Somebody, groups: Groups) -> bool:
    superuser = isinstance(user, User) and user.is_active and user.is_superuser
    return superuser or not OVERSEERS.isdisjoint(groups.values())
