"""The desk: what waits, and one obvious way in."""

from datetime import datetime
from hashlib import sha256

from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from reviews.forms import DeskFilters
from reviews.queries import QueuePage, queue_for, recent_verdicts
from reviews.queries.standing import workflows_of
from reviews.views.gate import PageRequest, signed_in

# How often a desk that nobody touched is drawn anew, since what is due within the hour changes by itself.
REDRAWN_EVERY_SECONDS = 300


@require_GET
@signed_in
def desk(request: PageRequest) -> HttpResponse:
    """The queue of whoever looks, by the filters of the URL; its own fragment when it refreshes itself."""
    now = timezone.now()
    form = DeskFilters(request.GET, workflows=workflows_of(request.user))
    queue = queue_for(request.user, filters=form.filters(), now=now, after=request.GET.get("after", ""))
    tag = _tag(queue, query=request.GET.urlencode(), now=now)
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    template = "reviews/queue.html#queue" if request.htmx.target == "queue" else "reviews/queue.html"
    query = request.GET.copy()
    query["after"] = queue.next_after
    recent = recent_verdicts(request.user, now=now) if template == "reviews/queue.html" else ()
    context = {
        "queue": queue,
        "form": form,
        "now": now,
        "query": request.GET.urlencode(),
        "more": query.urlencode(),
        "last": next((each for each in recent if each.undo_until), None),
    }
    answer = render(request, template, context)
    answer.headers["ETag"] = tag
    return answer


def _tag(queue: QueuePage, *, query: str, now: datetime) -> str:
    """What the desk looks like but for its clocks, which the page keeps itself."""
    rows = [(row.ticket_id, row.version, row.held_by, row.answered) for row in queue.rows]
    shown = (rows, queue.counts, query, int(now.timestamp()) // REDRAWN_EVERY_SECONDS)
    return f'"{sha256(repr(shown).encode()).hexdigest()[:32]}"'
