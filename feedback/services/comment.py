"""Say something of a decision, also long after it settled."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from feedback.domain.vocabulary import CommentKind
from feedback.models import Comment
from feedback.permissions import may_comment
from feedback.services.refusals import NotAllowed
from reviews.domain.vocabulary import EventKind
from reviews.models import Decision
from reviews.services.record import record


def comment_on(
    decision: Decision, *, author: User, kind: CommentKind, text: str, suggested_answer: str = "", now: datetime
) -> Comment:
    """Writes a Comment, and an Event without its words. Raises NotAllowed."""
    if not may_comment(author):
        raise NotAllowed
    with transaction.atomic():
        comment = Comment.objects.create(
            decision=decision, author=author, kind=kind, text=text, suggested_answer=suggested_answer, at=now
        )
        body = {"comment": comment.pk, "kind": str(kind), "suggests": bool(suggested_answer)}
        record(EventKind.COMMENT_ADDED, now=now, user=author, decision=decision, body=body)
    return comment


def empty_comments() -> int:
    """Empty what was said of decisions whose content was purged; how many comments. That they were made stays."""
    said = ~Q(text="") | ~Q(suggested_answer="")
    return Comment.objects.filter(said, decision__purged_at__isnull=False).update(text="", suggested_answer="")
