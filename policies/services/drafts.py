"""Begin a draft, bring it up to date, give it up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from policies.domain.vocabulary import VersionCause, VersionStatus
from policies.models import PolicyVersion, Rule, Threshold, Workflow
from policies.permissions import may_edit_policies
from policies.queries import rules_of, thresholds_of
from policies.services.merge import content_of, merged_rules, merged_thresholds
from policies.services.refusals import PolicyRefused, require


class NotADraft(PolicyRefused):
    """The version was published, or retired: it never changes (409)."""


def create_draft(
    workflow: Workflow,
    *,
    author: User,
    base: PolicyVersion | None = None,
    source: PolicyVersion | None = None,
    note: str = "",
    now: datetime,
) -> PolicyVersion:
    """A draft on top of `base` (None: the live version, if any) that begins with the rows of `source` (None: `base`).

    Writes a PolicyVersion with its rows. Raises NotAllowed.
    """
    require(may_edit_policies(author), detail="Only admins change policies.")
    with transaction.atomic():
        number = next_number(workflow)
        base = base or PolicyVersion.objects.of(workflow).live().first()
        draft = PolicyVersion.objects.create(
            workflow=workflow, number=number, base=base, author=author, note=note, created_at=now
        )
        if source := source or base:
            put_rows(draft, thresholds=thresholds_of(source), rules=rules_of(source))
    return draft


@dataclass(frozen=True, slots=True)
class Rebased:
    """A draft on top of the live version; `conflicts` name in words what both had changed."""

    version: PolicyVersion
    conflicts: tuple[str, ...]


def rebase(version: PolicyVersion, *, author: User, now: datetime) -> Rebased:
    """Put a draft on top of what is live now: what only the live version changed is taken over, row by row.

    Where both changed a row the draft's stands, but for a withdrawal of autonomy, which stays. Writes the draft's base,
    number and rows. Raises NotAllowed, NotADraft.
    """
    require(may_edit_policies(author), detail="Only admins change policies.")
    with transaction.atomic():
        number = next_number(version.workflow)
        draft = lock_draft(version)
        live = PolicyVersion.objects.of(draft.workflow).live().first()
        if live is None or live.pk == draft.base_id:
            return Rebased(draft, ())
        was = draft.base
        thresholds, conflicts = merged_thresholds(
            was=thresholds_of(was) if was else [], mine=thresholds_of(draft), theirs=thresholds_of(live)
        )
        rules = merged_rules(was=rules_of(was) if was else [], mine=rules_of(draft), theirs=rules_of(live))
        draft.thresholds.all().delete()
        draft.rules.all().delete()
        put_rows(draft, thresholds=thresholds, rules=rules)
        draft.base, draft.number, draft.author = live, number, author
        draft.save(update_fields=["base", "number", "author"])
    return Rebased(draft, conflicts)


def sign_draft(version: PolicyVersion, *, author: User) -> None:
    """Say who changed a draft last (who may not publish it under POLICY_TWO_ADMINS), and put its rules in order.

    Writes the version and its rules' positions. Raises NotAllowed, NotADraft.
    """
    require(may_edit_policies(author), detail="Only admins change policies.")
    with transaction.atomic():
        draft = lock_draft(version)
        draft.author = author
        draft.save(update_fields=["author"])
        rules = rules_of(draft)
        for position, rule in enumerate(rules):
            rule.position = position
        Rule.objects.bulk_update(rules, ["position"])


def discard_draft(version: PolicyVersion, *, author: User) -> None:
    """Delete a draft with its rows. Raises NotAllowed, NotADraft."""
    require(may_edit_policies(author), detail="Only admins change policies.")
    with transaction.atomic():
        lock_draft(version).delete()


def next_number(workflow: Workflow) -> int:
    """One more than the highest of the workflow's versions, whose row stays locked until the commit."""
    Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
    highest = PolicyVersion.objects.of(workflow).aggregate(highest=Max("number"))["highest"]
    return (highest or 0) + 1


def lock_draft(version: PolicyVersion) -> PolicyVersion:
    """`version` as it is now, locked, so that no row joins or leaves it. Raises NotADraft."""
    locked = PolicyVersion.objects.select_for_update(of=("self",)).select_related("workflow", "base").get(pk=version.pk)
    if locked.status != VersionStatus.DRAFT:
        raise NotADraft(f"Version {locked.number} is {locked.get_status_display().lower()}: it never changes.")
    return locked


def put_rows(version: PolicyVersion, *, thresholds: Iterable[Threshold], rules: Iterable[Rule]) -> None:
    """Copy rows of other versions into `version`."""
    Threshold.objects.bulk_create(Threshold(version=version, **content_of(row)) for row in thresholds)
    Rule.objects.bulk_create(
        Rule(version=version, position=position, **content_of(rule)) for position, rule in enumerate(rules)
    )


def copy_version(
    source: PolicyVersion,
    *,
    cause: VersionCause,
    base: PolicyVersion | None,
    author: User | None,
    note: str,
    thresholds: Iterable[Threshold],
    now: datetime,
) -> PolicyVersion:
    """A new draft with the rules of `source` and these thresholds, for a verb that publishes it at once."""
    copy = PolicyVersion.objects.create(
        workflow=source.workflow,
        number=next_number(source.workflow),
        cause=cause,
        base=base,
        author=author,
        note=note,
        created_at=now,
    )
    put_rows(copy, thresholds=thresholds, rules=rules_of(source))
    return copy
