"""Comments go with the content of what they are about, and stay as long as it does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback.domain.vocabulary import CommentKind
from feedback.services import comment_on, empty_comments
from policies.models import Workflow
from reviews.services.purge import purge_due
from tests import factories as make

pytestmark = pytest.mark.django_db


def test_what_was_said_goes_with_the_content_and_that_it_was_said_stays():
    now = timezone.now()
    long_ago = now - timedelta(days=40)
    make.make_live_policy(now=long_ago)
    old, young = (make.submit_one(now=at, confidence=0.95) for at in (long_ago, now))
    said = [
        comment_on(each, author=make.omar(), kind=CommentKind.NOTE, text="K. is ours.", suggested_answer="No", now=now)
        for each in (old, young)
    ]
    assert empty_comments() == 0
    Workflow.objects.update(retention_days=30)
    assert purge_due(now=now) == 1
    assert empty_comments() == 1
    for comment in said:
        comment.refresh_from_db()
    assert [(each.text, each.suggested_answer) for each in said] == [("", ""), ("K. is ours.", "No")]
    assert empty_comments() == 0
