"""Fragments beside a ticket and a story, which those pages load by their addresses."""

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from feedback import services
from feedback.domain.vocabulary import CommentKind
from feedback.forms import CommentForm
from feedback.permissions import may_comment, may_see_ticket
from feedback.queries.comments import comments_on
from feedback.queries.overrides import SHOWN, record_of, window_from
from reviews.models import Decision, Ticket


@never_cache
@vary_on_headers("HX-Request")
@login_required
@require_GET
def model_record(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """How often people changed what this model proposed of this action, to whoever may see the ticket."""
    ticket = Ticket.objects.select_related("workflow", "decision").filter(pk=ticket_id).first()
    if ticket is None or not may_see_ticket(request.user, ticket):
        raise Http404
    rate = record_of(ticket.decision, since=window_from(timezone.now()))
    shown = {"rate": rate, "ticket": ticket, "days": SHOWN.days}
    return render(request, f"feedback/record.html{'#rate' if _is_fragment(request) else ''}", shown)


@never_cache
@vary_on_headers("HX-Request")
@login_required
@require_http_methods(["GET", "POST"])
def comments(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """What was said of a decision, and a form to say more."""
    if not may_comment(request.user):
        raise PermissionDenied
    decision = get_object_or_404(Decision, pk=decision_id)
    form = CommentForm(request.POST or None)
    said = request.method == "POST" and form.is_valid()
    if said:
        services.comment_on(
            decision,
            author=cast(User, request.user),
            kind=CommentKind(form.cleaned_data["kind"]),
            text=form.cleaned_data["text"],
            suggested_answer=form.cleaned_data["suggested_answer"],
            now=timezone.now(),
        )
        if not _is_fragment(request):
            return redirect("story", decision_id)
        form = CommentForm()
    template = f"feedback/comments.html{'#comments' if _is_fragment(request) else ''}"
    shown = {"form": form, "decision": decision, "comments": comments_on(decision), "said": said}
    return render(request, template, shown, status=422 if form.is_bound else 200)


def _is_fragment(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))
