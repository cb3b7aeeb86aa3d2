"""Stop a workflow, or everything, and lift it again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import connection, transaction

from policies.domain.vocabulary import ChangeKind
from policies.models import PolicyChange, Switch, Workflow
from policies.permissions import may_pause
from policies.services.refusals import PolicyRefused, require, written

STOP_EVERYTHING: Final = (7001, 0)
"""The advisory lock of the global switch."""
STOP_WORKFLOW: Final = 7002
"""The first half of a workflow's advisory lock; its id is the other."""

LONGEST_WAIT_SECONDS: Final = 60


class AlreadySo(PolicyRefused):
    """It is paused, or running, already (409)."""


def take_stop_lock_exclusive(workflow_id: int | None) -> None:
    """Wait out what is being submitted in this workflow (None: anywhere), and hold what comes until the commit.

    Call it first in the transaction: a statement that starts after it sees everything that was routed before.
    """
    first, second = STOP_EVERYTHING if workflow_id is None else (STOP_WORKFLOW, workflow_id)
    with connection.cursor() as cursor:
        # A stop must not fail because a batch is on its way: it waits longer than a page's statement may.
        cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_WAIT_SECONDS}s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [first, second])
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


def take_stop_locks_shared(workflow_ids: Iterable[int]) -> None:
    """Wait for a stop that is under way in one of these workflows, or anywhere, and hold off those to come.

    Always in one order. Whatever is read after it, in a statement of its own, is true until the commit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        for lock in (STOP_EVERYTHING, *((STOP_WORKFLOW, workflow_id) for workflow_id in sorted(workflow_ids))):
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", lock)


def pause(workflow: Workflow | None, *, actor: User, reason: str, now: datetime) -> PolicyChange:
    """Let nothing of `workflow` (None: nothing at all) run alone from this commit on.

    Writes the switch and a PolicyChange. Raises NotAllowed, ReasonMissing, AlreadySo.
    """
    return _throw(workflow, ChangeKind.PAUSED, actor=actor, reason=reason, now=now)


def resume(workflow: Workflow | None, *, actor: User, reason: str, now: datetime) -> PolicyChange:
    """Lift a stop. Writes the switch and a PolicyChange. Raises NotAllowed, ReasonMissing, AlreadySo."""
    return _throw(workflow, ChangeKind.RESUMED, actor=actor, reason=reason, now=now)


def _throw(workflow: Workflow | None, kind: ChangeKind, *, actor: User, reason: str, now: datetime) -> PolicyChange:
    require(may_pause(actor), detail="Only leads and admins stop a workflow, or lift a stop.")
    reason = written(reason)
    paused = kind == ChangeKind.PAUSED
    with transaction.atomic():
        take_stop_lock_exclusive(None if workflow is None else workflow.pk)
        if workflow is None:
            changed = Switch.objects.filter(pk=1, paused=not paused).update(paused=paused)
        else:
            changed = Workflow.objects.filter(pk=workflow.pk, paused=not paused).update(paused=paused)
            workflow.paused = paused
        if not changed:
            what = "Everything" if workflow is None else workflow.title
            raise AlreadySo(f"{what} is {'paused' if paused else 'running'} already.")
        return record_change(kind, workflow=workflow, actor=actor, reason=reason, now=now)


def record_change(
    kind: ChangeKind,
    *,
    workflow: Workflow | None,
    actor: User | None,
    reason: str,
    now: datetime,
    version_id: int | None = None,
    detail: Mapping[str, object] | None = None,
) -> PolicyChange:
    """Keep who did what and why; `reviews` turns it into an event."""
    return PolicyChange.objects.create(
        kind=kind,
        workflow=workflow,
        version_id=version_id,
        actor=actor,
        reason=reason,
        detail=dict(detail or {}),
        at=now,
    )
