"""What the labels prove, the looks that are planned at them, and the drafts that stand on it."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from feedback import services
from feedback.forms import LONGEST_QUERY, DraftForm, LookForm, WithdrawForm
from feedback.models import Look
from feedback.permissions import may_draft_policies
from feedback.queries.evidence import evidence_of
from feedback.queries.figures import agreement_of, audits_of, calibration_of, risk_of, thresholds_of
from feedback.queries.labels import Scope
from feedback.queries.looks import looks_of
from feedback.queries.overturned import overturned_audits
from feedback.views.readers import ReadersRequest, choice_of, for_drafters, for_readers
from policies.models import PolicyVersion
from policies.queries import live_policy


@require_GET
@for_readers
def evidence(request: ReadersRequest) -> HttpResponse:
    """What the labels prove: calibration, risk, audits, recommended thresholds, agreement, drift."""
    return _page(request, request.GET, plan=LookForm(initial={"query": request.GET.urlencode()}))


def _page(request: ReadersRequest, query: QueryDict, *, plan: LookForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    form, shown = choice_of(query)
    scope, policy = form.scope(), live_policy(shown["workflow"].pk)
    return render(
        request,
        "feedback/evidence.html",
        {
            **shown,
            "decisions": _in_the_log(scope),
            "calibration": calibration_of(scope),
            "risk": risk_of(scope),
            "audits": audits_of(scope, now=now),
            "overturned": overturned_audits(scope),
            "thresholds": thresholds_of(scope, now=now),
            "looks": looks_of(shown["workflow"]),
            "plan": plan,
            "now": now,
            "agreement": agreement_of(scope),
            "rows": evidence_of(shown["workflow"], policy=policy) if policy else (),
            "may_draft": may_draft_policies(request.user),
        },
        status=status,
    )


def _in_the_log(scope: Scope) -> str:
    """The log's query of the decisions in scope."""
    asked = {"workflow": scope.workflow.key, "action": scope.action}
    asked |= {"model": scope.model_name, "model_version": scope.model_version}
    return urlencode({name: value for name, value in asked.items() if value})


@require_POST
@for_drafters
def draft_threshold(request: ReadersRequest) -> HttpResponse:
    """Make a policy draft of what the page recommends, with its certificate; an admin publishes it, or doesn't."""
    asked = DraftForm(request.POST)
    if not asked.is_valid():
        return HttpResponse("Which threshold?", status=422, content_type="text/plain; charset=utf-8")
    form, _ = choice_of(QueryDict(asked.cleaned_data["query"]))
    try:
        draft = services.draft_threshold(
            form.scope(), alpha=asked.cleaned_data["alpha"], author=request.user, now=timezone.now()
        )
    except services.NoneQualifies as error:
        messages.error(request, f"No threshold qualifies now. {error.detail}")
        return redirect(f"{reverse('evidence')}?{asked.cleaned_data['query']}")
    return _drafted(request, draft)


@require_POST
@for_drafters
def plan_look(request: ReadersRequest) -> HttpResponse:
    """Plan one look at what the page was narrowed to."""
    asked = LookForm(request.POST)
    query = QueryDict(request.POST.get("query", "")[:LONGEST_QUERY])
    if asked.is_valid():
        form, _ = choice_of(query)
        alpha, n = asked.cleaned_data["alpha"], asked.cleaned_data["n"]
        try:
            services.plan_look(form.scope(), alpha=alpha, n=n, user=request.user, now=timezone.now())
        except services.LookRefused as error:
            asked.add_error(error.field, error.detail)
        else:
            messages.success(request, "Planned. It is taken once, when its decisions are there.")
            return redirect(f"{reverse('evidence')}?{query.urlencode()}")
    return _page(request, query, plan=asked, status=422)


@require_POST
@for_drafters
def withdraw_look(request: ReadersRequest, look_id: UUID) -> HttpResponse:
    """Give a look up before it is taken, with a reason."""
    look = _look(look_id)
    asked = WithdrawForm(request.POST)
    if not asked.is_valid():
        messages.error(request, "A reason is needed, of at most 300 characters.")
    else:
        try:
            services.withdraw_look(look, why=asked.cleaned_data["why"], user=request.user, now=timezone.now())
        except services.LookRefused as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, "Withdrawn. Nobody has seen what it would have said.")
    return _back_to(look)


@require_POST
@for_drafters
def draft_look(request: ReadersRequest, look_id: UUID) -> HttpResponse:
    """Make a policy draft on the certificate of a look."""
    look = _look(look_id)
    if look.certificate is None:
        messages.error(request, "That look has no certificate to stand on.")
        return _back_to(look)
    try:
        draft = services.draft_from(look.certificate, author=request.user, now=timezone.now())
    except services.CertificateOver as error:
        messages.error(request, error.detail)
        return _back_to(look)
    return _drafted(request, draft)


def _look(look_id: UUID) -> Look:
    return get_object_or_404(Look.objects.select_related("workflow", "certificate__workflow"), pk=look_id)


def _back_to(look: Look) -> HttpResponse:
    return redirect(f"{reverse('evidence')}?{urlencode({'workflow': look.workflow.key})}")


def _drafted(request: ReadersRequest, draft: PolicyVersion) -> HttpResponse:
    messages.success(request, f"Version {draft.number} is a draft of it. Nothing changes before it is published.")
    return redirect("admin:policies_policyversion_change", draft.pk)
