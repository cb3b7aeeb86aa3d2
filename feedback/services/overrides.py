"""An override rate that acts: where people surely change too much, the model or the prompt needs work."""

from datetime import datetime, timedelta

from feedback.domain.rates import Rate
from feedback.domain.vocabulary import AlarmKind
from feedback.models import Alarm
from feedback.queries.alarms import alarmed_about
from feedback.queries.overrides import Leading, Line, Window, leading_reasons, overrides_of
from feedback.services.alarms import STANDS_AT_LEAST, end_alarm, raise_alarm
from policies.domain.figures import per_cent, per_cent_between
from policies.models import Workflow

LOOKED_BACK = timedelta(days=28)


def watch_overrides(workflow: Workflow, *, now: datetime) -> list[Alarm]:
    """Raise an alarm for each action whose override rate is surely above the workflow's limit; end those that are over.

    Surely: the lower end of Wilson's interval is above it. The alarm says which reasons lead, and names tickets.
    """
    since = (now - LOOKED_BACK).date()
    lines = overrides_of(Window(workflow=workflow, since=since)).by_action
    _end_those_over(workflow, {line.name: line for line in lines}, now=now)
    told = alarmed_about(workflow, AlarmKind.OVERRIDE_RATE)
    raised = []
    for line in lines:
        if line.rate.hidden or line.rate.interval.lower <= float(workflow.override_rate_limit):
            continue
        if (line.name, "", "") in told:
            continue  # What leads is looked up for those who are to be told.
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


def _end_those_over(workflow: Workflow, lines: dict[str, Line], *, now: datetime) -> None:
    """The rate as it was seen, not only its lower end, must be back: at the limit itself that end would go to and fro.

    Where hardly anybody is asked any more, nothing is left that speaks for the alarm.
    """
    limit = float(workflow.override_rate_limit)
    standing = Alarm.objects.filter(
        kind=AlarmKind.OVERRIDE_RATE, workflow=workflow, over_at__isnull=True, raised_at__lte=now - STANDS_AT_LEAST
    )
    for alarm in standing:
        rate = lines[alarm.action].rate if alarm.action in lines else None
        if rate is None or rate.hidden:
            total = rate.total if rate else 0
            because = f"People were asked about {total} in the last {LOOKED_BACK.days} days: too few to say."
        elif rate.share <= limit:
            because = (
                f"People changed {_shown(rate)} of {rate.total}"
                f" in the last {LOOKED_BACK.days} days; {per_cent(limit)} is the limit."
            )
        else:
            continue
        end_alarm(alarm, because=because, now=now)


def _sentence(line: Line, workflow: Workflow, leading: tuple[Leading, ...]) -> str:
    rate = line.rate
    reasons = ", ".join(f"{one.label.lower()} ({one.count})" for one in leading)
    return (
        f"People changed {_shown(rate)} of {rate.total}"
        f" {line.name} in {LOOKED_BACK.days} days; {per_cent(workflow.override_rate_limit)} is the limit."
        + (f" What leads: {reasons}." if reasons else "")
    )


def _shown(rate: Rate) -> str:
    return f"{per_cent(rate.share)} [{per_cent_between(rate.interval.lower, rate.interval.upper)}]"
