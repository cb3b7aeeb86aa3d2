"""The verbs of feedback. Each says what it writes and what it raises."""

from feedback.services.collect import Collected, collect_labels

__all__ = ["Collected", "collect_labels"]
