"""What concerns leads, admins and auditors on every page: alarms, those first that nobody has acknowledged."""

from typing import Any, Final

from django import template

from feedback.permissions import may_read_insights
from feedback.queries.alarms import standing_alarms

register = template.Library()
SHOWN: Final = 3


@register.inclusion_tag("_alarms.html", takes_context=True)
def alarms(context: dict[str, Any]) -> dict[str, Any]:
    """The newest that nobody has acknowledged, how many more there are, and those that somebody sees to.

    One query where there is none, two where there is.
    """
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {}
    found = standing_alarms()
    if not found or not may_read_insights(user):
        return {}
    waiting = [alarm for alarm in found if alarm.acknowledged_at is None]
    return {
        "alarms": waiting[:SHOWN],
        "more": max(0, len(waiting) - SHOWN),
        "seen_to": [alarm for alarm in found if alarm.acknowledged_at is not None],
    }
