"""The verbs of feedback. Each says what it writes and what it raises."""

from feedback.services.alarms import close_alarm, raise_alarm
from feedback.services.autonomy import assess_autonomy
from feedback.services.backtests import request_backtest, run_backtest, unfinished_backtests
from feedback.services.certify import LookSpent, NoneQualifies, draft_threshold, issue_certificate
from feedback.services.collect import Collected, collect_labels
from feedback.services.comment import comment_on
from feedback.services.exports import NotReady, export_lines, file_of, request_export, run_export, unfinished_exports
from feedback.services.refusals import NotAllowed

__all__ = [
    "Collected",
    "LookSpent",
    "NoneQualifies",
    "NotAllowed",
    "NotReady",
    "assess_autonomy",
    "close_alarm",
    "collect_labels",
    "comment_on",
    "draft_threshold",
    "export_lines",
    "file_of",
    "issue_certificate",
    "raise_alarm",
    "request_backtest",
    "request_export",
    "run_backtest",
    "run_export",
    "unfinished_backtests",
    "unfinished_exports",
]
