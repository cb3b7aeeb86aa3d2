"""The ticket, and everything that a reviewer does to it. The answer to a verdict is the next ticket.

Each view reads what was sent, calls one service and shows what came of it: to htmx the ticket's own part of the page,
to anybody else a redirect or the whole page.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect, push_url, retarget

from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import TicketState
from reviews.forms import (
    LONGEST_NOTE,
    ClaimForm,
    DeskFilters,
    QuestionForm,
    VerdictForm,
    edit_form,
    override_form,
)
from reviews.models import Ticket
from reviews.permissions import groups_of, is_lead, may_decide, may_see_personal_fields, may_see_ticket
from reviews.queries import QueueFilters, dossier, latest_verdict, name_of, precedents, queue_for
from reviews.queries.alike import JUST_DECIDED
from reviews.queries.personal import without_personal_fields
from reviews.queries.presence import others_at
from reviews.queries.standing import held_ticket, shows_sensitive, workflows_of
from reviews.services.claim import claim_next_id, claim_ticket, release_claim, renew_claim, skip_ticket
from reviews.services.decide import (
    Answer,
    ClaimError,
    Held,
    InvalidAnswer,
    NotAllowed,
    NotVisible,
    Stale,
    TooSoon,
    ask_upstream,
    escalate_ticket,
    give_verdict,
    undo_verdict,
)
from reviews.services.estimate import give_estimate
from reviews.services.look import look_at
from reviews.views.gate import PageRequest, signed_in
from reviews.views.sheet import Notice, Sheet

TAKEABLE = frozenset({TicketState.OPEN, TicketState.DISPUTED})
CHANGING = frozenset({VerdictKind.EDIT, VerdictKind.OVERRIDE})
STATUS_OF: dict[type[ClaimError], int] = {NotAllowed: 403, Stale: 412, TooSoon: 422}


@require_GET
@signed_in
def ticket(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """One ticket: to decide for who holds it, to take for who may, to look at for who else may see it."""
    now = timezone.now()
    sheet = _sheet(request, ticket_id, now=now)
    if sheet.awaits_estimate:
        return _shown(request, sheet)
    if sheet.mine and "edit" in request.GET and sheet.may["edit"]:
        _open_edit(sheet)
    elif sheet.mine and "override" in request.GET:
        _open_override(sheet, request.GET["override"])
    return _shown(request, sheet)


@require_POST
@signed_in
def take_next(request: PageRequest) -> HttpResponse:
    """The next ticket, claimed; first the one that is still held."""
    return _next(request, now=timezone.now())


@require_POST
@signed_in
def claim(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Take this ticket."""
    now = timezone.now()
    try:
        claim_ticket(ticket_id, reviewer=request.user, now=now)
    except ClaimError as error:
        return _refused(request, ticket_id, error, now=now)
    return _opened(request, ticket_id, now=now)


@require_POST
@signed_in
def verdict(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Decide; the answer is the next ticket."""
    now = timezone.now()
    form = VerdictForm(request.POST)
    changes = request.POST.get("kind") in CHANGING
    # A plain approval or rejection is read from the form alone.
    sheet = _as_sent(request, ticket_id, now=now) if changes or "confirmation" in request.POST else None
    if not form.is_valid():
        sheet = sheet or _as_sent(request, ticket_id, now=now)
        sheet.notice = Notice(" ".join(str(error) for errors in form.errors.values() for error in errors), "stop")
        return _shown(request, sheet, status=422)
    if sheet and not sheet.is_complete(form.cleaned_data):
        return _shown(request, sheet, status=422)
    try:
        give_verdict(ticket_id, reviewer=request.user, answer=_answer(form.cleaned_data, sheet=sheet), now=now)
    except InvalidAnswer as error:
        sheet = sheet or _as_sent(request, ticket_id, now=now)
        sheet.explain(error.errors)
        return _shown(request, sheet, status=422)
    except ClaimError as error:
        return _refused(request, ticket_id, error, now=now)
    return _next(request, now=now)


@require_POST
@signed_in
def estimate(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """One's own answer to an audit; then the AI's view is shown."""
    act = partial(give_estimate, action=request.POST.get("action", ""))
    then = partial(_opened, ticket_id=ticket_id)
    return _done(request, ticket_id, act, said="Recorded. Now what the AI says.", then=then)


@require_POST
@signed_in
def skip(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Pass it on, and not see it for a while."""
    return _done(request, ticket_id, skip_ticket, said="Skipped: it stays away from you for ten minutes.")


@require_POST
@signed_in
def release(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Put it back, and go to the desk."""
    return _done(request, ticket_id, release_claim, said="Put back into the queue.", then=_to_desk)


@require_POST
@signed_in
def escalate(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Hand it to the escalation group, with the note for a reason."""
    note = request.POST.get("note", "")[:LONGEST_NOTE]
    return _done(request, ticket_id, partial(escalate_ticket, note=note), said="Escalated.")


@require_POST
@signed_in
def ask(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Send a question upstream; the ticket waits for its answer."""
    form = QuestionForm(request.POST)
    if not form.is_valid():
        sheet = _as_sent(request, ticket_id, now=timezone.now())
        sheet.asking = " ".join(map(str, form.errors.get("question", ["Load the page again."])))
        return _shown(request, sheet, status=422)
    act = partial(ask_upstream, text=form.cleaned_data["question"])
    return _done(request, ticket_id, act, said="Asked. The answer will bring the ticket back to you first.")


@require_POST
@signed_in
def undo(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """Take one's last verdict on it back, while its hold lasts."""
    now = timezone.now()
    try:
        undo_verdict(ticket_id, reviewer=request.user, now=now)
    except ClaimError as error:
        return _refused(request, ticket_id, error, now=now)
    return _opened(request, ticket_id, now=now, notice=Notice("Taken back: nothing was sent. Decide again."))


@require_POST
@signed_in
def renew(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """The page is still looked at: the claim goes on, or the line that says so tells who has it now."""
    now = timezone.now()
    form = ClaimForm(request.POST)
    epoch = form.cleaned_data["claim_epoch"] if form.is_valid() else -1
    try:
        renewed = renew_claim(ticket_id, reviewer=request.user, epoch=epoch, now=now)
    except (NotVisible, NotAllowed) as error:
        raise Http404 from error
    except ClaimError as error:
        return render(request, "reviews/ticket.html#claim", {"lost": error.detail}, status=409)
    return render(request, "reviews/ticket.html#claim", {"until": renewed.claimed_until, "now": now})


@require_POST
@signed_in
def presence(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """The page says that it is looked at, and learns who else does."""
    now = timezone.now()
    ticket = Ticket.objects.select_related("workflow").filter(pk=ticket_id).first()
    if ticket is None or not may_see_ticket(request.user, ticket):
        raise Http404
    look_at(ticket_id, user=request.user, now=now)
    return render(request, "reviews/ticket.html#presence", {"others": others_at(ticket_id, user=request.user, now=now)})


@require_POST
@signed_in
def changes(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """What the form at hand changes against the AI's version, while it is being written."""
    sheet = _as_sent(request, ticket_id, now=timezone.now())
    return render(request, "reviews/_changes.html", {"changes": sheet.form.changes if sheet.form else ()})


@require_GET
@signed_in
def alike(request: PageRequest, ticket_id: UUID) -> HttpResponse:
    """What people decided in like cases."""
    sheet = _sheet(request, ticket_id, now=timezone.now())
    template = "reviews/precedents.html#found" if request.htmx else "reviews/precedents.html"
    return render(request, template, {"precedents": precedents(sheet.decision), "page": sheet})


# ---- What is read ---------------------------------------------------------------------------------------------------


def _sheet(request: PageRequest, ticket_id: UUID, *, now: datetime) -> Sheet:
    """The ticket as `request.user` may see it. Raises Http404."""
    user = request.user
    try:
        found = dossier(ticket_id, user=user, now=now)
    except Ticket.DoesNotExist as error:
        raise Http404 from error
    groups = {} if found.held else groups_of(user)
    if not (found.held or may_see_ticket(user, found.ticket, groups=groups)):
        raise Http404
    if not (found.held or may_see_personal_fields(user, found.decision, ticket=found.ticket, groups=groups)):
        found = without_personal_fields(found)
    lapsed = found.ticket.state == TicketState.CLAIMED and not found.holder
    free = found.ticket.state in TAKEABLE or lapsed
    answered = any(verdict.reviewer_id == user.pk for verdict in found.given)
    last = latest_verdict(user, now=now)
    if last and now - last.decided_at >= JUST_DECIDED:
        last = None
    return Sheet(
        dossier=found,
        user=user,
        now=now,
        leads=is_lead(user, groups=groups),
        takeable=free and not answered and may_decide(user, found.ticket, groups=groups),
        query=_query(request),
        last=last,
        shows_sensitive=bool(found.action and found.action.sensitive) and shows_sensitive(user),
    )


def _as_sent(request: PageRequest, ticket_id: UUID, *, now: datetime) -> Sheet:
    """The ticket with what was just written into its forms."""
    sheet = _sheet(request, ticket_id, now=now)
    sheet.given = request.POST
    kind = request.POST.get("kind")
    if kind == VerdictKind.EDIT:
        _open_edit(sheet, given=request.POST)
    elif kind == VerdictKind.OVERRIDE:
        _open_override(sheet, request.POST.get("action", ""), given=request.POST)
    return sheet


def _open_edit(sheet: Sheet, *, given: QueryDict | None = None) -> None:
    if sheet.action is not None:
        table, original = sheet.dossier.table.payload, sheet.decision.payload or {}
        sheet.form = edit_form(sheet.action, payload=table, original=original, given=given)
        sheet.mode = VerdictKind.EDIT


def _open_override(sheet: Sheet, key: str, *, given: QueryDict | None = None) -> None:
    spec = next((each for each in sheet.dossier.overrides if each.key == key), None)
    if spec is not None and sheet.may["override"]:
        table, original = sheet.dossier.table.payload, sheet.decision.payload or {}
        sheet.form = override_form(spec, payload=table, original=original, given=given)
        sheet.mode = VerdictKind.OVERRIDE


def _answer(sent: dict[str, Any], *, sheet: Sheet | None) -> Answer:
    kind = sent["kind"]
    return Answer(
        kind=kind,
        epoch=sent["claim_epoch"],
        version=sent["version"],
        shown_sha256=sent["shown_sha256"],
        request_key=sent["request_key"],
        action=sent["action"] if kind == VerdictKind.OVERRIDE else "",
        payload=sheet.form.payload if sheet and sheet.form and kind in CHANGING else None,
        material={"yes": True, "no": False}.get(sent["material"]) if kind == VerdictKind.EDIT else None,
        reason_code=sent["reject"] or sent["reason"],
        note=sent["note"],
        reasoning_rating=sent["reasoning_rating"],
        acts=2 if sheet and sheet.second_act and sheet.second_act.is_given(sent["confirmation"]) else 1,
    )


def _query(request: PageRequest) -> str:
    """The desk's filters as they are carried along: in the address, or in the form."""
    return request.POST.get("filters", "") if request.method == "POST" else _carried(request.GET)


def _carried(given: QueryDict) -> str:
    kept = given.copy()
    for name in ("edit", "override", "after"):
        kept.pop(name, None)
    return kept.urlencode()


def _filters(request: PageRequest) -> QueueFilters:
    query = _query(request)
    if not query:
        return QueueFilters()
    return DeskFilters(QueryDict(query), workflows=workflows_of(request.user)).filters()


# ---- What is shown --------------------------------------------------------------------------------------------------


def _shown(request: PageRequest, sheet: Sheet, *, status: int = 200) -> HttpResponse:
    template = "reviews/ticket.html#ticket" if request.htmx else "reviews/ticket.html"
    return render(request, template, {"page": sheet, "now": sheet.now}, status=status)


def _opened(request: PageRequest, ticket_id: UUID, *, now: datetime, notice: Notice | None = None) -> HttpResponse:
    """A ticket that was just claimed, at its own address."""
    address = reverse("ticket", args=[ticket_id]) + (f"?{query}" if (query := _query(request)) else "")
    if not request.htmx:
        return redirect(address)
    sheet = _sheet(request, ticket_id, now=now)
    sheet.notice = notice
    return push_url(_shown(request, sheet), address)


def _next(request: PageRequest, *, now: datetime) -> HttpResponse:
    """The next ticket, or that there is none."""
    held = held_ticket(request.user, now=now)
    if held is None:
        held = claim_next_id(reviewer=request.user, now=now, filters=_filters(request))
    if held is not None:
        return _opened(request, held, now=now)
    if not request.htmx:
        return redirect("desk")
    last = latest_verdict(request.user, now=now)
    context = {"now": now, "counts": queue_for(request.user, now=now).counts, "last": last}
    return push_url(render(request, "reviews/nothing.html", context), reverse("desk"))


def _to_desk(request: PageRequest, *, now: datetime) -> HttpResponse:
    return HttpResponseClientRedirect(reverse("desk")) if request.htmx else redirect("desk")


def _done(
    request: PageRequest,
    ticket_id: UUID,
    act: Callable[..., object],
    *,
    said: str,
    then: Callable[..., HttpResponse] = _next,
) -> HttpResponse:
    """Do `act` with the claim that the form names; say so, and go on."""
    now = timezone.now()
    form = ClaimForm(request.POST)
    epoch = form.cleaned_data["claim_epoch"] if form.is_valid() else -1
    try:
        act(ticket_id, reviewer=request.user, epoch=epoch, now=now)
    except ClaimError as error:
        return _refused(request, ticket_id, error, now=now)
    messages.info(request, said)
    return then(request, now=now)


def _refused(request: PageRequest, ticket_id: UUID, error: ClaimError, *, now: datetime) -> HttpResponse:
    """The ticket as it stands now, and over it what stood in the way: who, and when."""
    if isinstance(error, NotVisible):
        raise Http404 from error
    sheet = _sheet(request, ticket_id, now=now)
    sheet.notice = Notice(_why(error, sheet=sheet), "stop")
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 409)
    # A refusal for want of rights is shown as well, where other answers of that status are not.
    return retarget(_shown(request, sheet, status=status), "#ticket")


def _why(error: ClaimError, *, sheet: Sheet) -> str:
    at: datetime | None = getattr(error, "at", None)
    said, when = error.detail, f"{at:%H:%M:%S}" if at else ""
    if isinstance(error, Held) and sheet.is_over and sheet.dossier.given:
        # They had it when this came, and have answered since.
        last = sheet.dossier.given[-1]
        said, when = f"{name_of(last.reviewer)} has decided this.", f"{last.decided_at:%H:%M:%S}"
    elif isinstance(error, Held) and sheet.ticket.claimed_at:
        when = f"since {sheet.ticket.claimed_at:%H:%M:%S}"
    return f"{said.removesuffix('.')} ({when} UTC)." if when else said
