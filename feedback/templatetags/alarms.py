"""What concerns leads, admins and auditors on every page: an alarm that nobody has acknowledged."""

from typing import Any, Final

from django import template

from feedback.permissions import may_read_insights
from feedback.queries.alarms import unacknowledged

register = template.Library()
SHOWN: Final = 3


@register.inclusion_tag("_alarms.html", takes_context=True)
def alarms(context: dict[str, Any]) -> dict[str, Any]:
    """The newest, and how many more there are. One query where there is none, two where there is."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {"alarms": (), "more": 0}
    found = unacknowledged()
    if not found or not may_read_insights(user):
        return {"alarms": (), "more": 0}
    return {"alarms": found[:SHOWN], "more": max(0, len(found) - SHOWN)}
