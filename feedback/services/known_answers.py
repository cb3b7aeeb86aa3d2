"""Cases whose truth is known: set aside as seeds, and mixed into the queue in disguise, so that reviewers are measured.

Nothing of a known answer reaches upstream, a tally, a label, an export or a precedent; only scores are made of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, QuerySet

from feedback.models import KnownAnswer, Label, Seed
from feedback.permissions import may_plant
from feedback.services.refusals import NotAllowed
from policies.domain.evaluate import audit_draw
from policies.domain.strict_json import InputError
from policies.models import Workflow
from reviews.domain.submission import parse_submission
from reviews.domain.vocabulary import FINAL
from reviews.models import Decision
from reviews.services.seed import (
    NoSeed,
    answer_what_was_asked,
    body_of,
    keep_from,
    others_in_group,
    saw,
    submit_known_answer,
)

__all__ = ["NoSeed", "answer_what_was_asked", "bring_seeds", "plant_seed", "retire_seed", "sow_known_answers"]

logger = structlog.get_logger(__name__)
LOT: Final = b"known answer"
MOST_AT_ONCE: Final = 20
TRIED: Final = 10
ONLY_OF_A_SEED: Final = ("right_action", "evidence")


def plant_seed(decision: Decision, *, evidence: str, user: User, now: datetime) -> Seed:
    """Set a decision aside whose label is to be trusted. Writes a Seed. Raises NotAllowed, NoSeed.

    Its truth is the label that stands; `evidence` says why that is beyond doubt.
    """
    if not may_plant(user):
        raise NotAllowed
    label = Label.objects.filter(decision=decision, stands=True).first()
    if label is None:
        raise NoSeed("Nothing is known of it yet: it needs a verdict that is settled, or a truth that was reported.")
    if Seed.objects.filter(decision=decision).exists():
        raise NoSeed("It is a seed already.")
    if not evidence.strip():
        raise NoSeed("Say how its truth is known beyond doubt.")
    body_of(decision)
    return Seed.objects.create(
        workflow_id=decision.workflow_id,
        decision=decision,
        right_action=label.right_action,
        ai_is_right=label.ai_was_right,
        evidence=evidence.strip(),
        planted_by=user,
        planted_at=now,
    )


def bring_seeds(lines: Iterable[bytes], *, workflow: Workflow, evidence: str, user: User, now: datetime) -> list[Seed]:
    """Set cases aside that are brought along: each line a submission with `right_action`, and with `evidence` or not.

    All or none. Writes Seeds. Raises NotAllowed, and NoSeed with the number of the line that is wrong.
    """
    if not may_plant(user):
        raise NotAllowed
    seeds = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = orjson.loads(line)
            body = {name: value for name, value in given.items() if name not in ONLY_OF_A_SEED}
            submission = parse_submission(orjson.dumps({**body, "workflow": workflow.key}))
            right_action = str(given["right_action"])
        except (AttributeError, KeyError, orjson.JSONDecodeError) as error:
            raise NoSeed(f"Line {number}: a submission with its right_action is needed.") from error
        except InputError as error:
            raise NoSeed(f"Line {number}: {error.pointer} {error.detail}") from error
        if submission.deadline is not None:
            raise NoSeed(f"Line {number}: a known answer has no deadline.")
        seeds.append(
            Seed(
                workflow=workflow,
                content={**body, "workflow": workflow.key},
                right_action=right_action,
                ai_is_right=right_action == submission.proposal.action,
                evidence=str(given.get("evidence") or evidence),
                planted_by=user,
                planted_at=now,
            )
        )
    return Seed.objects.bulk_create(seeds)


def retire_seed(seed: Seed, *, user: User) -> None:
    """Sow it no more. Writes the Seed. Raises NotAllowed."""
    if not may_plant(user):
        raise NotAllowed
    Seed.objects.filter(pk=seed.pk).update(active=False)


def sow_known_answers(escalated: Mapping[int, Sequence[UUID]], *, now: datetime) -> list[KnownAnswer]:
    """Mix known answers into the queues that these decisions came into, at each workflow's share, and give them.

    The lot is a keyed hash of a decision's id. Half of them have the AI right: whichever kind is behind is sown, and
    nothing where no seed of it is fit.
    """
    sown: list[KnownAnswer] = []
    key = settings.COUNTERSIGN_AUDIT_KEY.encode() + LOT
    for workflow in Workflow.objects.filter(pk__in=escalated, known_answer_share__gt=0).select_related("review_group"):
        drawn = [each for each in escalated[workflow.pk] if audit_draw(each, key) < workflow.known_answer_share]
        for decision_id in drawn[:MOST_AT_ONCE]:
            try:
                known = _sow(workflow, lot=decision_id.int, now=now)
            except Exception:
                # Measuring reviewers is not to stop what labels and autonomy rest on.
                logger.exception("no known answer sown", workflow=workflow.key)
                break
            sown += [known] if known else []
    return sown


def _sow(workflow: Workflow, *, lot: int, now: datetime) -> KnownAnswer | None:
    ai_is_right = _kind_behind(workflow, lot=lot)
    for seed in _fit_seeds(workflow, ai_is_right=ai_is_right)[:TRIED]:
        earlier = list(KnownAnswer.objects.filter(seed=seed).values_list("decision_id", flat=True))
        # Who knows the case is not asked: who had it or its copies before them, and who set it aside.
        know = saw([*earlier, *([seed.decision_id] if seed.decision_id else [])]) | {seed.planted_by_id}
        if not others_in_group(workflow, than=know):
            continue
        try:
            body, since = _case(seed)
            key = f"{seed.decision_id or seed.pk}/{len(earlier) + 1}"
            decision = submit_known_answer(body, workflow=workflow, key=key, since=since, now=now)
        except NoSeed as error:
            logger.warning("a seed is of no use", seed=str(seed.pk), why=error.detail)
            Seed.objects.filter(pk=seed.pk).update(active=False)
            continue
        if decision is None:
            continue
        with transaction.atomic():
            keep_from(decision, know, now=now)
            return KnownAnswer.objects.create(
                decision=decision,
                seed=seed,
                right_action=seed.right_action,
                ai_is_right=seed.ai_is_right,
                evidence=seed.evidence,
            )
    return None


def _kind_behind(workflow: Workflow, *, lot: int) -> bool:
    counts = dict(
        KnownAnswer.objects.filter(seed__workflow=workflow)
        .values_list("ai_is_right")
        .annotate(n=Count("pk"))
        .order_by("ai_is_right")
    )
    right, wrong = counts.get(True, 0), counts.get(False, 0)
    return bool(lot & 1) if right == wrong else right < wrong


def _fit_seeds(workflow: Workflow, *, ai_is_right: bool) -> QuerySet[Seed]:
    """Those of which no copy is still open, the least sown first: nobody is to meet two copies of one."""
    open_copies = KnownAnswer.objects.exclude(decision__tickets__state__in=FINAL)
    return (
        Seed.objects.filter(workflow=workflow, ai_is_right=ai_is_right, active=True)
        .exclude(sown__in=open_copies)
        .select_related("decision__workflow")
        .annotate(times=Count("sown"))
        .order_by("times", "pk")
    )


def _case(seed: Seed) -> tuple[Mapping[str, Any], datetime]:
    """What is submitted, and since when it is so."""
    if seed.decision is not None:
        return body_of(seed.decision), seed.decision.received_at
    return seed.content or {}, seed.planted_at
