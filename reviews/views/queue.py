"""The desk: what waits, and one obvious way in."""

from datetime import datetime
from hashlib import sha256

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseNotModified, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from reviews.forms import DeskFilters, SavedFilterForm
from reviews.queries import QueuePage, queue_for, recent_verdicts
from reviews.queries.recent import pace_of
from reviews.queries.standing import saved_filters_of, workflows_of
from reviews.services.prefer import FilterRefused, forget_filter, keep_filter
from reviews.views.gate import PageRequest, signed_in

# How often a desk that nobody touched is drawn anew, since what is due within the hour changes by itself.
REDRAWN_EVERY_SECONDS = 300


@require_GET
@signed_in
def desk(request: PageRequest) -> HttpResponse:
    """The queue of whoever looks, by the filters of the URL; its own fragment when it refreshes itself."""
    now = timezone.now()
    form = _filters(request.GET, user=request.user)
    queue = queue_for(request.user, filters=form.filters(), now=now, after=request.GET.get("after", ""))
    tag = _tag(queue, query=request.GET.urlencode(), now=now)
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    answer = _shown(request, queue, form=form, now=now)
    answer.headers["ETag"] = tag
    return answer


@require_POST
@signed_in
def save_filter(request: PageRequest) -> HttpResponse:
    """Keep what the desk is filtered by under a name."""
    filters = _filters(QueryDict(request.POST.get("filters", "")), user=request.user)
    named = SavedFilterForm(request.POST)
    query = filters.query()
    try:
        if not named.is_valid():
            raise FilterRefused(str(named.errors["title"][0]))
        kept = keep_filter(request.user, title=named.cleaned_data["title"], query=query)
    except FilterRefused as refused:
        messages.error(request, refused.detail, extra_tags="stop")
        now = timezone.now()
        queue = queue_for(request.user, filters=filters.filters(), now=now)
        return _shown(request, queue, form=filters, now=now, status=422)
    messages.success(request, f"Kept as “{kept.title}”.")
    return redirect(f"{reverse('desk')}?{query}")


@require_POST
@signed_in
def delete_filter(request: PageRequest, filter_id: int) -> HttpResponse:
    """Forget one of one's own filters."""
    forget_filter(filter_id, user=request.user)
    messages.success(request, "The filter is deleted.")
    return redirect("desk")


def _filters(given: QueryDict, *, user: User) -> DeskFilters:
    return DeskFilters(given, workflows=workflows_of(user))


def _shown(
    request: PageRequest, queue: QueuePage, *, form: DeskFilters, now: datetime, status: int = 200
) -> HttpResponse:
    """The whole desk, or the queue alone for its refresh."""
    alone = request.htmx.target == "queue"
    query = request.GET.copy()
    query["after"] = queue.next_after
    recent = () if alone else recent_verdicts(request.user, now=now)
    context = {
        "queue": queue,
        "form": form,
        "now": now,
        "query": request.GET.urlencode() or form.query(),
        "filters": form.query(),
        "more": query.urlencode(),
        "saved": () if alone else saved_filters_of(request.user),
        "pace": pace_of(recent),
        "last": next((each for each in recent if each.undo_until), None),
    }
    return render(request, "reviews/queue.html#queue" if alone else "reviews/queue.html", context, status=status)


def _tag(queue: QueuePage, *, query: str, now: datetime) -> str:
    """What the desk looks like but for its clocks, which the page keeps itself."""
    rows = [(row.ticket_id, row.version, row.held_by, row.answered) for row in queue.rows]
    shown = (rows, queue.counts, query, int(now.timestamp()) // REDRAWN_EVERY_SECONDS)
    return f'"{sha256(repr(shown).encode()).hexdigest()[:32]}"'
