"""What was said of a decision."""

from feedback.models import Comment
from reviews.models import Decision


def comments_on(decision: Decision) -> tuple[Comment, ...]:
    """In the order in which they were written, with their authors. One query."""
    return tuple(Comment.objects.filter(decision=decision).select_related("author").order_by("pk"))
