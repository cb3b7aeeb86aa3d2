"""Planned looks: what waits, and what came of those that were taken."""

from feedback.models import Look
from policies.models import Workflow

SHOWN = 20


def looks_of(workflow: Workflow) -> tuple[Look, ...]:
    """The newest of a workflow, newest first. One query."""
    looks = Look.objects.filter(workflow=workflow).select_related("planned_by", "withdrawn_by", "certificate")
    return tuple(looks.order_by("-planned_at")[:SHOWN])
