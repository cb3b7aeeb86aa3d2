"""RESTORED: after a restore nothing runs alone and nothing is sealed, until somebody knows what is missing.

A checkpoint from outside that matches shows that nothing is; where it doesn't, an admin accepts the loss.

The same holds, by the same means, once the rows of the log are found to be otherwise than they were sealed, which is
told as LOG BROKEN. That can't be accepted, since the log can never again be verified then: it ends by itself when the
rows are as they were, from a backup or from an export, and have all been looked at again.

A restored database is known by the newest checkpoint outside, which is of a larger tree or of another one; or, where
there is none, by being another database than the one that was sealed last. A first start is neither: it has no tree.
"""

from datetime import datetime
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max

from policies.permissions import is_admin
from policies.services.stop import take_stop_lock_exclusive
from reviews.domain.entry import EventRow
from reviews.domain.vocabulary import EventKind, RestoreCause, WebhookType
from reviews.models import Checkpoint, Event, Heartbeat, Restore
from reviews.queries.seal import ROW, fault_found, frontier_at, newest_checkpoint, open_restore
from reviews.services.beat import beat
from reviews.services.outside import Outside, newest_outside, read_outside
from reviews.services.recheck import recheck_some
from reviews.services.record import announce, record
from reviews.services.tree import grow, sealed_tree, sign_head, wait_for_seal_lock

logger = structlog.get_logger(__name__)

SEALER: Final = "sealer"


class NotRestored(Exception):
    """The console isn't RESTORED: there is nothing to acknowledge."""

    def __init__(self) -> None:
        super().__init__("The console is not RESTORED; there is nothing to acknowledge.")


class StillBroken(Exception):
    """What the database holds of the log is not what was sealed, and nobody can accept that."""

    def __init__(self) -> None:
        found = fault_found() or "not all of it has been looked at since it was put right"
        super().__init__(
            f"The log is broken: {found}. Put back its rows as they were sealed, from a backup or an export; once all "
            "of them have been looked at again, this ends by itself."
        )


class LossNotAccepted(Exception):
    """The checkpoint doesn't match the log of this database, and nobody said that the loss is accepted."""


class NotAnAdmin(Exception):
    """Only an active admin acknowledges a restore."""


def instance_of_database() -> str:
    """What tells this database from a copy of it elsewhere, or from what is restored in its place."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT concat_ws('.', (SELECT c.system_identifier FROM pg_control_system() c),
                             (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
                             'reviews_event'::regclass::oid)
            """
        )
        (instance,) = cursor.fetchone()
    return str(instance)


def may_go_on(*, now: datetime) -> bool:
    """Whether the log may go on: it is whole, the one that was sealed last, and no checkpoint outside contradicts it.

    Where it isn't, the console is RESTORED from this transaction on; where a checkpoint outside shows that nothing is
    missing, it is no longer. Call it while holding the sealer's lock. Raises KeyFileError.
    """
    restore = open_restore()
    is_broken = restore is not None and restore.cause == RestoreCause.BROKEN
    found = recheck_some(in_a_hurry=is_broken, now=now)
    if found.fault:
        if restore is None:
            note_broken(found.fault, now=now)
        logger.error("the log is broken", fault=found.fault)
        return False
    newest, outside = newest_checkpoint(), newest_outside()
    cause, is_vouched_for = compare(newest, outside)
    if cause is None and not is_vouched_for and newest is not None and _is_another():
        cause = RestoreCause.ANOTHER
    if restore is not None and is_broken and found.is_whole and cause is not None:
        # Its rows are whole again, but are not all that was sealed, as in a dump that was made meanwhile: from here on
        # it is a restored database like any, whose loss an admin can accept.
        restore.acknowledged_at = now
        restore.save(update_fields=["acknowledged_at"])
        restore = None
    if restore is None and cause is None and is_vouched_for and _is_another():
        # Nothing is missing; but its transactions may count from anew, so that its events begin an epoch.
        restore = note_restore(RestoreCause.ANOTHER, outside=outside, now=now)
    if restore is None and cause is not None:
        restore = note_restore(cause, outside=outside, now=now)
        _raise_alarm("restored", restore, now=now)
    if restore is not None and cause is None and (found.is_whole if is_broken else is_vouched_for):
        _acknowledge(restore, outside=outside, is_matched=True, user=None, now=now)
        return True
    return restore is None


def compare(newest: Checkpoint | None, outside: Outside | None) -> tuple[RestoreCause | None, bool]:
    """By what the checkpoint outside contradicts the database's log, if it does; and whether it vouches for it.

    It vouches when it is of this epoch, and the tree begins with what it signed.
    """
    if outside is None:
        return None, False
    if outside.checkpoint is None:
        return RestoreCause.UNREADABLE, False
    head = outside.checkpoint.head
    epoch, size = (newest.epoch, newest.size) if newest else (1, 0)
    if head.epoch > epoch or (head.epoch == epoch and head.size > size):
        return RestoreCause.BEHIND, False
    if head.epoch < epoch:
        return None, False
    if newest is not None and head.size == newest.size:
        root = bytes(newest.root)
    else:
        try:
            root = frontier_at(head.size).root()
        except ValueError:
            return RestoreCause.DIFFERS, False
    return (None, True) if root == head.root else (RestoreCause.DIFFERS, False)


def note_restore(cause: RestoreCause, *, outside: Outside | None, now: datetime) -> Restore:
    """Make the console RESTORED: no automatic approval commits after this transaction. Writes a Restore.

    Its events begin a new epoch at once: the transactions of a restored database may count from anew.
    """
    take_stop_lock_exclusive(None)
    epochs = [
        Event.objects.aggregate(last=Max("epoch"))["last"],
        Restore.objects.aggregate(last=Max("epoch"))["last"],
        outside.checkpoint.head.epoch if outside and outside.checkpoint else None,
    ]
    epoch = max(each or 1 for each in epochs) + 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT begin_epoch(%s::smallint)", [epoch])
    newest = newest_checkpoint()
    logger.critical("restored", cause=str(cause), epoch=epoch, size=newest.size if newest else 0)
    return Restore.objects.create(
        epoch=epoch,
        cause=cause,
        size=newest.size if newest else 0,
        outside=outside.note if outside else "",
        noticed_at=now,
    )


def note_restored_by_command(*, now: datetime) -> Restore:
    """What `manage.py restore` says of itself, before anybody uses the database. Raises KeyFileError."""
    with transaction.atomic():
        return open_restore() or note_restore(RestoreCause.COMMAND, outside=newest_outside(), now=now)


def note_broken(fault: str, *, now: datetime) -> Restore:
    """Stop as after a restore: the rows of the log are not what was sealed. Writes a Restore, and raises the alarm."""
    logger.critical("log broken", fault=fault)
    restore = note_restore(RestoreCause.BROKEN, outside=None, now=now)
    _raise_alarm("log_broken", restore, now=now)
    return restore


def _raise_alarm(kind: str, restore: Restore, *, now: datetime) -> None:
    """Tell people by their channels and systems by webhook. Writes an Event, and deliveries."""
    body = {"kind": kind, "cause": str(restore.cause), "epoch": restore.epoch, "size": restore.size}
    announce(record(EventKind.ALARM_RAISED, now=now, body=body), WebhookType.ALARM_RAISED, body=body)


def acknowledge_restore(*, user: User, note: str | None, accept_loss: bool, now: datetime) -> Restore:
    """Say that the log may go on, having looked at the newest checkpoint outside: `note`, or the file's.

    Where that matches, nothing is missing. Where it doesn't, or there is none, `accept_loss` says that what is missing
    is known. Writes the Restore and an Event. Raises NotRestored, StillBroken, NotAnAdmin, LossNotAccepted, TreeBroken,
    KeyFileError.
    """
    if not is_admin(user):
        raise NotAnAdmin(f"{user.username} is no admin.")
    with transaction.atomic():
        wait_for_seal_lock()
        restore = open_restore()
        if restore is None:
            raise NotRestored
        if restore.cause == RestoreCause.BROKEN or fault_found():
            raise StillBroken
        outside = newest_outside() if note is None else read_outside(note)
        cause, is_vouched_for = compare(newest_checkpoint(), outside)
        if not is_vouched_for and not accept_loss:
            raise LossNotAccepted(_what_is_missing(restore, outside, cause))
        _acknowledge(restore, outside=outside, is_matched=is_vouched_for, user=user, now=now)
        return restore


def _acknowledge(
    restore: Restore, *, outside: Outside | None, is_matched: bool, user: User | None, now: datetime
) -> None:
    """Seal what was left of the epochs before, and begin the new one with an event that tells all this."""
    newest = newest_checkpoint()
    frontier = sealed_tree(newest)
    grow(frontier, _never_sealed(before=restore.epoch))
    head = outside.checkpoint.head if outside and outside.checkpoint else None
    body: dict[str, Any] = {
        "epoch": restore.epoch,
        "cause": str(restore.cause),
        "size": frontier.size,
        "nothing_missing": is_matched,
        "outside": {"epoch": head.epoch, "size": head.size, "root": head.root.hex()} if head else None,
    }
    record(EventKind.LOG_RESTORED, now=now, user=user, body=body)
    restore.acknowledged_at = now
    restore.save(update_fields=["acknowledged_at"])
    sign_head(frontier, now=now)
    beat_sealer(size=frontier.size, now=now)
    logger.warning("restore acknowledged", **body)


def beat_sealer(*, size: int, now: datetime) -> None:
    """Write which database was sealed, when, and how far."""
    beat(SEALER, now=now, detail={"instance": instance_of_database(), "size": size})


def _never_sealed(*, before: int) -> list[EventRow]:
    """Events of the epochs before that are in no leaf, wherever they stand in the order."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {ROW} FROM reviews_event e
             WHERE e.epoch < %s AND NOT EXISTS (SELECT FROM reviews_leaf l WHERE l.event_id = e.id)
             ORDER BY e.epoch, e.xid, e.id
            """,  # noqa: S608
            [before],
        )
        return [EventRow(*row) for row in cursor.fetchall()]


def _is_another() -> bool:
    """Whether this is another database than the one that was sealed last."""
    last = Heartbeat.objects.filter(pk=SEALER).values_list("detail", flat=True).first() or {}
    return bool(last.get("instance") != instance_of_database())


def _what_is_missing(restore: Restore, outside: Outside | None, cause: RestoreCause | None) -> str:
    newest = newest_checkpoint()
    here = f"The log of this database has {newest.size if newest else 0:,} leaves"
    if outside is None:
        return f"{here}, and there is no checkpoint outside to compare it with."
    if outside.checkpoint is None:
        return f"{here}; the checkpoint is not signed by a key of this console's key file."
    head = outside.checkpoint.head
    there = f"the checkpoint is of {head.size:,} leaves in epoch {head.epoch}"
    match cause:
        case RestoreCause.BEHIND:
            return f"{here}; {there}: what came after is missing here."
        case RestoreCause.DIFFERS:
            return f"{here}; {there}, and they are not those of this database: they were rewritten."
        case _:
            return f"{here} in epoch {restore.epoch - 1}; {there}, which ended before: bring a newer one."
