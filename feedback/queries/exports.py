"""Files that were asked for."""

from feedback.models import Export

SHOWN = 50


def newest_exports() -> tuple[Export, ...]:
    """The last that were asked for, newest first. One query."""
    return tuple(Export.objects.select_related("workflow", "requested_by").order_by("-pk")[:SHOWN])
