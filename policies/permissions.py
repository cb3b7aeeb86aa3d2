"""Who may do what to a policy: asked by pages, API, admin and services alike.

Roles are groups of Django's own. A superuser is an admin; neither makes anybody a reviewer.
"""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.db.models import Q

Somebody = User | AnonymousUser | AbstractBaseUser

ADMINS = "Admins"
LEADS = "Leads"
AUDITORS = "Auditors"


def _holds(user: Somebody, *roles: str) -> bool:
    """Whether they are active and a superuser, or in one of the groups `roles`."""
    if not isinstance(user, User) or not user.is_active:
        return False
    return user.is_superuser or user.groups.filter(name__in=roles).exists()


def is_admin(user: Somebody) -> bool:
    return _holds(user, ADMINS)


def may_edit_policies(user: Somebody) -> bool:
    """Draft, publish, roll back."""
    return is_admin(user)


def may_pause(user: Somebody) -> bool:
    """Stop a workflow or everything, and lift it."""
    return _holds(user, ADMINS, LEADS)


def may_read_policies(user: Somebody) -> bool:
    """Everybody with a part in the work: staff, the roles, and whoever reviews a workflow."""
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_staff or user.is_superuser:
        return True
    reviews = Q(reviewed_workflows__isnull=False) | Q(escalated_workflows__isnull=False)
    return Group.objects.filter(Q(name__in=(ADMINS, LEADS, AUDITORS)) | reviews, user=user).exists()
