"""The verbs of feedback. Each says what it writes and what it raises."""

from feedback.services.alarms import NothingSaid, acknowledge_alarm, end_alarm, raise_alarm
from feedback.services.autonomy import assess_autonomy
from feedback.services.backtests import request_backtest, run_backtest, unfinished_backtests
from feedback.services.certify import CertificateOver, NoneQualifies, draft_from, draft_threshold, issue_certificate
from feedback.services.collect import Collected, collect_labels
from feedback.services.comment import comment_on, empty_comments
from feedback.services.exports import NotReady, export_lines, file_of, request_export, run_export, unfinished_exports
from feedback.services.known_answers import (
    NoSeed,
    answer_what_was_asked,
    bring_seeds,
    plant_seed,
    retire_seed,
    sow_known_answers,
)
from feedback.services.looks import LookRefused, plan_look, take_looks, withdraw_look
from feedback.services.parquet import ParquetNotInstalled
from feedback.services.refusals import NotAllowed

__all__ = [
    "CertificateOver",
    "Collected",
    "LookRefused",
    "NoSeed",
    "NoneQualifies",
    "NotAllowed",
    "NotReady",
    "NothingSaid",
    "ParquetNotInstalled",
    "acknowledge_alarm",
    "answer_what_was_asked",
    "assess_autonomy",
    "bring_seeds",
    "collect_labels",
    "comment_on",
    "draft_from",
    "draft_threshold",
    "empty_comments",
    "end_alarm",
    "export_lines",
    "file_of",
    "issue_certificate",
    "plan_look",
    "plant_seed",
    "raise_alarm",
    "request_backtest",
    "request_export",
    "retire_seed",
    "run_backtest",
    "run_export",
    "sow_known_answers",
    "take_looks",
    "unfinished_backtests",
    "unfinished_exports",
    "withdraw_look",
]
