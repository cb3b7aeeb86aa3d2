"""The verbs of feedback. Each says what it writes and what it raises."""

from feedback.services.alarms import close_alarm, raise_alarm
from feedback.services.autonomy import assess_autonomy
from feedback.services.collect import Collected, collect_labels
from feedback.services.exports import NotReady, export_lines, file_of, request_export, run_export, unfinished_exports
from feedback.services.refusals import NotAllowed

__all__ = [
    "Collected",
    "NotAllowed",
    "NotReady",
    "assess_autonomy",
    "close_alarm",
    "collect_labels",
    "export_lines",
    "file_of",
    "raise_alarm",
    "request_export",
    "run_export",
    "unfinished_exports",
]
