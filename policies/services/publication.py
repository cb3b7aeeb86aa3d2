"""Publish a version, or let it run in the shadow of the live one."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from policies.domain.canonical import canonical_bytes
from policies.domain.problems import Problem, problems_of
from policies.domain.spec import Policy, SpecError, digest_of
from policies.domain.vocabulary import ChangeKind, VersionStatus
from policies.models import PolicyVersion
from policies.permissions import may_edit_policies
from policies.queries import (
    document_of,
    policy_of_version,
    registered_actions,
    rule_spec,
    rules_of,
    threshold_spec,
    thresholds_of,
    withdrawn_bases,
)
from policies.services.drafts import NotADraft, lock_draft
from policies.services.refusals import PolicyRefused, require, written
from policies.services.stop import record_change, take_stop_lock_exclusive


class BaseNotLive(PolicyRefused):
    """The version was drafted on another than the one that is live now (409): rebase it first."""


class SecondAdminNeeded(PolicyRefused):
    """Who wrote a version may not publish it (POLICY_TWO_ADMINS; 403)."""


class InvalidPolicy(PolicyRefused):
    """The version can't judge as it stands (422); `errors` holds every Problem."""

    def __init__(self, errors: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(error.detail for error in errors))
        self.errors = errors


class NotInShadow(PolicyRefused):
    """The version is not the one that runs in shadow (409)."""


def publish(version: PolicyVersion, *, publisher: User, reason: str, now: datetime) -> PolicyVersion:
    """Put a draft, or the shadow, in force: pin all that judging uses, retire the version that was live.

    Waits for what is being submitted to the workflow. Writes both versions and a PolicyChange.
    Raises NotAllowed, ReasonMissing, NotADraft, SecondAdminNeeded, BaseNotLive, InvalidPolicy.
    """
    require(may_edit_policies(publisher), detail="Only admins publish policies.")
    reason = written(reason)
    with transaction.atomic():
        take_stop_lock_exclusive(version.workflow_id)
        locked = _lock_unpublished(version)
        if settings.POLICY_TWO_ADMINS and locked.author_id == publisher.pk:
            raise SecondAdminNeeded("You changed this version last; another admin publishes it.")
        require_base_live(locked)
        refuse_invalid(locked)
        put_in_force(locked, document=document_of(locked), publisher=publisher, now=now)
        record_change(
            ChangeKind.PUBLISHED,
            workflow=locked.workflow,
            version_id=locked.pk,
            actor=publisher,
            reason=reason,
            now=now,
            detail={"version": locked.number, "digest": locked.digest, "cause": locked.cause},
        )
    return locked


def shadow(version: PolicyVersion, *, publisher: User, reason: str, now: datetime) -> PolicyVersion:
    """Judge live traffic by a draft as well, without effect. It is pinned, and takes the place of an earlier shadow.

    Writes the versions and a PolicyChange. Raises NotAllowed, ReasonMissing, NotADraft, InvalidPolicy.
    """
    require(may_edit_policies(publisher), detail="Only admins put a policy in shadow.")
    reason = written(reason)
    with transaction.atomic():
        take_stop_lock_exclusive(version.workflow_id)
        draft = lock_draft(version)
        refuse_invalid(draft)
        PolicyVersion.objects.of(draft.workflow).shadow().update(status=VersionStatus.RETIRED, retired_at=now)
        pin(draft, document_of(draft))
        draft.status = VersionStatus.SHADOW
        draft.save(update_fields=["document", "digest", "status"])
        record_change(
            ChangeKind.SHADOWED,
            workflow=draft.workflow,
            version_id=draft.pk,
            actor=publisher,
            reason=reason,
            now=now,
            detail={"version": draft.number, "digest": draft.digest},
        )
    return draft


def retire_shadow(version: PolicyVersion, *, actor: User, reason: str, now: datetime) -> PolicyVersion:
    """End a shadow. Writes the version and a PolicyChange. Raises NotAllowed, ReasonMissing, NotInShadow."""
    require(may_edit_policies(actor), detail="Only admins end a shadow.")
    reason = written(reason)
    with transaction.atomic():
        take_stop_lock_exclusive(version.workflow_id)
        locked = PolicyVersion.objects.select_for_update(of=("self",)).select_related("workflow").get(pk=version.pk)
        if locked.status != VersionStatus.SHADOW:
            raise NotInShadow(f"Version {locked.number} does not run in shadow.")
        locked.status, locked.retired_at = VersionStatus.RETIRED, now
        locked.save(update_fields=["status", "retired_at"])
        record_change(
            ChangeKind.RETIRED, workflow=locked.workflow, version_id=locked.pk, actor=actor, reason=reason, now=now
        )
    return locked


def problems_of_version(version: PolicyVersion) -> tuple[Problem, ...]:
    """All that keeps `version` from being published: a draft by its rows, what is pinned by its document."""
    pinned = None if version.status == VersionStatus.DRAFT else policy_of_version(version.pk)
    actions = pinned.actions.values() if pinned else registered_actions(version.workflow)
    found = problems_of(
        actions=tuple(actions),
        thresholds=pinned.thresholds if pinned else tuple(map(threshold_spec, thresholds_of(version))),
        rules=pinned.rules if pinned else tuple(map(rule_spec, rules_of(version))),
        groups=frozenset(Group.objects.values_list("name", flat=True)),
        withdrawn=withdrawn_bases(version.workflow),
    )
    return found or _problems_of_document(document_of(version))


def _problems_of_document(document: dict[str, Any]) -> tuple[Problem, ...]:
    """Whether what would be pinned can be hashed, and read again as it was written."""
    try:
        Policy.from_canonical(document, digest_of(document), number=0)
    except SpecError as error:
        return (Problem(error.pointer, error.detail),)
    except ValueError as error:
        return (Problem("", f"This can't be written as canonical JSON: {error}"),)
    return ()


def refuse_invalid(version: PolicyVersion) -> None:
    """Raises InvalidPolicy with every problem that there is."""
    if errors := problems_of_version(version):
        raise InvalidPolicy(errors)


def require_base_live(version: PolicyVersion) -> None:
    """Raises BaseNotLive unless `version` was drafted on what is live now. The stop lock must be held."""
    live = PolicyVersion.objects.of(version.workflow).live().first()
    if (live.pk if live else None) != version.base_id:
        in_force = f"Version {live.number} is live now" if live else "Nothing is live now"
        stands_on = f"version {version.base.number}" if version.base else "nothing"
        raise BaseNotLive(f"{in_force}, and this draft stands on {stands_on}. Bring it up to date first.")


def put_in_force(
    version: PolicyVersion,
    *,
    document: dict[str, Any],
    publisher: User | None,
    now: datetime,
) -> None:
    """Retire the live version and make `version` live. The stop lock must be held."""
    PolicyVersion.objects.of(version.workflow).live().update(status=VersionStatus.RETIRED, retired_at=now)
    pin(version, document)
    version.status, version.published_at, version.publisher = VersionStatus.LIVE, now, publisher
    version.save(update_fields=["document", "digest", "status", "published_at", "publisher"])


def pin(version: PolicyVersion, document: dict[str, Any]) -> None:
    version.document, version.digest = canonical_bytes(document).decode(), digest_of(document)


def _lock_unpublished(version: PolicyVersion) -> PolicyVersion:
    locked = PolicyVersion.objects.select_for_update(of=("self",)).select_related("workflow", "base").get(pk=version.pk)
    if locked.status not in (VersionStatus.DRAFT, VersionStatus.SHADOW):
        raise NotADraft(f"Version {locked.number} is {locked.get_status_display().lower()}: it never changes.")
    return locked
