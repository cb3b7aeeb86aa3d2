"""Who may see what people's verdicts add up to."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from reviews.permissions import may_read_log, may_see_ticket

__all__ = [
    "may_acknowledge",
    "may_comment",
    "may_draft_policies",
    "may_export",
    "may_plant",
    "may_read_insights",
    "may_see_ticket",
]

Somebody = User | AnonymousUser | AbstractBaseUser
OVERSEERS = ("Leads", "Auditors", "Admins")


def may_read_insights(user: Somebody) -> bool:
    """Leads, auditors and admins: figures name reviewers."""
    return isinstance(user, User) and user.is_active and (user.is_superuser or _is_in(user, *OVERSEERS))


def may_export(user: Somebody) -> bool:
    """Leads, auditors and admins: who reads everything may take it along. An export holds payloads, and is logged."""
    return may_read_insights(user)


def may_acknowledge(user: Somebody) -> bool:
    """Leads and admins: to acknowledge an alarm is to answer for what is done about it. Auditors read, and don't."""
    return may_plant(user)


def may_plant(user: Somebody) -> bool:
    """Leads and admins: who sets known answers aside knows them, and is never asked them."""
    return isinstance(user, User) and user.is_active and (user.is_superuser or _is_in(user, "Leads", "Admins"))


def may_comment(user: Somebody) -> bool:
    """Whoever reads the log: a comment stands beside a decision's story."""
    return may_read_log(user)


def may_draft_policies(user: Somebody) -> bool:
    """Admins: whoever may edit a policy by hand may draft one from the evidence."""
    return (
        isinstance(user, User) and user.is_active and (user.is_superuser or user.groups.filter(name="Admins").exists())
    )


def _is_in(user: User, *groups: str) -> bool:
    return user.groups.filter(name__in=groups).exists()
