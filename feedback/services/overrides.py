"""An override rate that acts: where people surely change too much, the model or the prompt needs work."""

from datetime import datetime, timedelta

from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from feedback.queries.overrides import Leading, Line, Window, leading_reasons, overrides_of
from feedback.services.alarms import raise_alarm
from policies.models import Workflow

LOOKED_BACK = timedelta(days=28)


def watch_overrides(workflow: Workflow, *, now: datetime) -> list[Alarm]:
    """Raise an alarm for each action whose override rate is surely above the workflow's limit.

    Surely: the lower end of Wilson's interval is above it. The alarm says which reasons lead, and names tickets.
    """
    since = (now - LOOKED_BACK).date()
    raised = []
    for line in overrides_of(Window(workflow=workflow, since=since)).by_action:
        if line.rate.hidden or line.rate.interval.lower <= float(workflow.override_rate_limit):
            continue
        leading = leading_reasons(workflow, action=line.name, since=since)
        alarm = raise_alarm(
            AlarmKind.OVERRIDE_RATE,
            workflow=workflow,
            action=line.name,
            message=_sentence(line, workflow, leading),
            evidence={
                "count": line.rate.count,
                "total": line.rate.total,
                "lower": line.rate.interval.lower,
                "limit": float(workflow.override_rate_limit),
                "leading": [one.as_evidence() for one in leading],
            },
            now=now,
        )
        if alarm is not None:
            raised.append(alarm)
    return raised


def _sentence(line: Line, workflow: Workflow, leading: tuple[Leading, ...]) -> str:
    rate = line.rate
    reasons = ", ".join(f"{one.label.lower()} ({one.count})" for one in leading)
    return (
        f"People changed {rate.share:.0%} [{rate.interval.lower:.0%}–{rate.interval.upper:.0%}] of {rate.total}"
        f" {line.name} in {LOOKED_BACK.days} days; {workflow.override_rate_limit:.0%} is the limit."
        + (f" What leads: {reasons}." if reasons else "")
    )
