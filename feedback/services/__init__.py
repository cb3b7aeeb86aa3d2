"""The verbs of feedback. Each says what it writes and what it raises."""

from feedback.services.alarms import NotAllowed, close_alarm, raise_alarm
from feedback.services.autonomy import assess_autonomy
from feedback.services.collect import Collected, collect_labels

__all__ = ["Collected", "NotAllowed", "assess_autonomy", "close_alarm", "collect_labels", "raise_alarm"]
