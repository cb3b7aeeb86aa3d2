"""Confidences that promise too much: where an AI is surely less often right than it says, its owner must know."""

from datetime import datetime
from typing import Any

from feedback.domain.overconfidence import Stretch
from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from feedback.queries.alarms import alarmed_about
from feedback.queries.confidences import LOOKED_BACK, Watched, watched_confidences, wrong_tickets
from feedback.services.alarms import STANDS_AT_LEAST, end_alarm, raise_alarm
from policies.domain.figures import per_cent, per_cent_between
from policies.models import Workflow


def watch_confidences(workflow: Workflow, *, now: datetime) -> list[Alarm]:
    """Raise an alarm for each action and model whose confidences are surely too high; end those that no longer are."""
    found = {one.key: one for one in watched_confidences(workflow, now=now)}
    _end_those_over(workflow, found, now=now)
    told = alarmed_about(workflow, AlarmKind.CALIBRATION)
    raised = []
    for one in found.values():
        if one.key in told or not one.watch.is_alarming or one.watch.whole is None or one.watch.worst is None:
            continue
        action, name, version = one.key
        alarm = raise_alarm(
            AlarmKind.CALIBRATION,
            workflow=workflow,
            action=action,
            model=(name, version),
            message=_sentence(one, one.watch.whole, one.watch.worst),
            evidence=_evidence(workflow, one, one.watch.whole, one.watch.worst),
            now=now,
        )
        if alarm is not None:
            raised.append(alarm)
    return raised


def _end_those_over(workflow: Workflow, found: dict[tuple[str, str, str], Watched], *, now: datetime) -> None:
    standing = Alarm.objects.filter(
        kind=AlarmKind.CALIBRATION, workflow=workflow, over_at__isnull=True, raised_at__lte=now - STANDS_AT_LEAST
    )
    for alarm in standing:
        one = found.get((alarm.action, alarm.model_name, alarm.model_version))
        if one is None:
            end_alarm(alarm, because=f"Hardly any label of it came in the last {LOOKED_BACK.days} days.", now=now)
        elif one.watch.is_over:
            labels = f"the last {one.watch.labels} labels of the random sample"
            end_alarm(alarm, because=f"Too little in {labels} still speaks for confidences that are too high.", now=now)


def _sentence(one: Watched, whole: Stretch, worst: Stretch) -> str:
    action, name, version = one.key
    model = f"{name} {version}".strip()
    place = f"{_place(worst)[:1].upper()}{_place(worst)[1:]} it says" if worst.band is not None else "It says"
    of_all = f" Over the whole scale: {_figures(whole)}." if worst.band is not None else ""
    return f"{action} by {model} is right less often than it says. {place} {_figures(worst)}.{of_all}"


def _figures(of: Stretch) -> str:
    interval = per_cent_between(of.interval.lower, of.interval.upper)
    return f"{per_cent(of.stated)}, and {per_cent(of.right)} [{interval}] of {of.n} were right"


def _place(of: Stretch) -> str:
    return "" if of.band is None else f"between {of.band / 10:.1f} and {(of.band + 1) / 10:.1f}"


def _evidence(workflow: Workflow, one: Watched, whole: Stretch, worst: Stretch) -> dict[str, Any]:
    action, name, version = one.key
    log = {"workflow": workflow.key, "action": action, "model": name, "model_version": version}
    wrong, tickets = wrong_tickets(workflow, key=one.key, band=worst.band, since=one.since)
    return {
        "labels": one.watch.labels,
        "since": one.since.isoformat(),
        "log_evidence": one.watch.log_evidence,
        "whole": _as_evidence(whole),
        "bands": [_as_evidence(band) for band in one.watch.bands],
        "log": log if worst.band is None else {**log, "band": str(worst.band)},
        "leading": [{"reason": "", "label": f"Wrong {_place(worst)}".strip(), "count": wrong, "tickets": tickets}],
    }


def _as_evidence(of: Stretch) -> dict[str, Any]:
    return {
        "band": of.band,
        "place": _place(of),
        "n": of.n,
        "errors": of.errors,
        "stated": of.stated,
        "right": of.right,
        "interval": list(of.interval),
    }
