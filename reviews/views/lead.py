"""What leads see and do: who holds what, what is late, and whose it should be."""

from collections.abc import Callable
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from reviews.domain.vocabulary import LeadReason, TicketState
from reviews.forms import EndClaimForm, MoveForm
from reviews.models import Ticket
from reviews.permissions import is_lead, may_see_ticket
from reviews.queries import tickets_with_decisions
from reviews.queries.leading import groups_to_move_to, lead_page
from reviews.queries.queue import queue_rows
from reviews.services.lead import end_claim, move_ticket
from reviews.services.tickets import ClaimError, NotAllowed, NotVisible
from reviews.views.gate import PageRequest, only_for


@require_GET
@only_for(is_lead)
def lead(request: PageRequest) -> HttpResponse:
    """Each group's load, who holds what, and what is late; with `group`, what waits there."""
    now = timezone.now()
    group = request.GET.get("group", "")
    page = lead_page(request.user, group=int(group) if group.isdecimal() and len(group) < 10 else None, now=now)
    return render(request, "reviews/lead.html", {"page": page, "now": now})


@require_GET
@only_for(is_lead)
def ticket(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """One ticket, and what a lead can do with it."""
    found = _found(request, ticket_id)
    return _shown(request, found, end=EndClaimForm(), move=_move_form(found))


@require_POST
@only_for(is_lead)
def end(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """End a colleague's claim."""
    found = _found(request, ticket_id)
    form = EndClaimForm(request.POST)
    if not form.is_valid():
        return _shown(request, found, end=form, move=_move_form(found), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    reason = LeadReason(form.cleaned_data["reason"])
    return _done(
        request,
        ticket_id,
        lambda: end_claim(ticket_id, lead=request.user, reason=reason, now=timezone.now()),
        said="The claim is ended: the ticket waits again.",
    )


@require_POST
@only_for(is_lead)
def move(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Put it before another group."""
    found = _found(request, ticket_id)
    form = _move_form(found, request.POST)
    if not form.is_valid():
        return _shown(request, found, end=EndClaimForm(), move=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    group, reason = form.cleaned_data["group"], LeadReason(form.cleaned_data["reason"])
    return _done(
        request,
        ticket_id,
        lambda: move_ticket(ticket_id, lead=request.user, group=group, reason=reason, now=timezone.now()),
        said=f"Moved to {group}.",
    )


def _found(request: PageRequest, ticket_id: UUID) -> Ticket:
    found = tickets_with_decisions().select_related("claimed_by").filter(pk=ticket_id).first()
    if found is None or not may_see_ticket(request.user, found):
        raise Http404
    return found


def _move_form(ticket: Ticket, *given: object) -> MoveForm:
    return MoveForm(*given, groups=[group.name for group in groups_to_move_to(ticket)])


def _shown(request: PageRequest, ticket: Ticket, *, end: Form, move: Form, status: int = 200) -> HttpResponse:
    now = timezone.now()
    (row,) = queue_rows([ticket.pk], user=request.user, now=now)
    context = {
        "ticket": ticket,
        "row": row,
        "now": now,
        "end": end if ticket.state == TicketState.CLAIMED else None,
        "move": move if ticket.state == TicketState.OPEN else None,
    }
    return render(request, "reviews/lead_ticket.html", context, status=status)


def _done(request: PageRequest, ticket_id: UUID, act: Callable[[], object], *, said: str) -> HttpResponse:
    """Do it and go back to the list; or say on the ticket's page what stands in the way."""
    try:
        act()
    except NotVisible as error:
        raise Http404 from error
    except ClaimError as error:
        messages.error(request, error.detail, extra_tags="stop")
        found = _found(request, ticket_id)
        status = HTTPStatus.FORBIDDEN if isinstance(error, NotAllowed) else HTTPStatus.CONFLICT
        return _shown(request, found, end=EndClaimForm(), move=_move_form(found), status=status)
    messages.success(request, said, extra_tags="go")
    return redirect("lead")
