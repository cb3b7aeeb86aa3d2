"""The insights pages: what verdicts add up to, what they prove, and the files that they become."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers
from django_htmx.middleware import HtmxDetails

from feedback import services
from feedback.domain.vocabulary import ENDS_BY_ITSELF, CommentKind, ExportFormat, ExportShape, RunState
from feedback.forms import (
    SHOWN_DAYS,
    AcknowledgeForm,
    BacktestForm,
    Choice,
    CommentForm,
    DraftForm,
    ExportForm,
    SeedForm,
)
from feedback.models import Alarm, Export, Seed
from feedback.permissions import (
    may_acknowledge,
    may_comment,
    may_draft_policies,
    may_plant,
    may_read_insights,
    may_see_ticket,
)
from feedback.queries.alarms import open_alarms, past_alarms
from feedback.queries.backtests import backtests_of, in_full
from feedback.queries.comments import comments_on
from feedback.queries.evidence import evidence_of
from feedback.queries.exports import newest_exports
from feedback.queries.figures import agreement_of, audits_of, calibration_of, risk_of, thresholds_of
from feedback.queries.known_answers import garden_of, scores_by_reviewer
from feedback.queries.labels import busiest_of, keys_of
from feedback.queries.overrides import SHOWN, overrides_of, queue_health_of, record_of, window_from
from feedback.queries.overturned import overturned_audits
from feedback.queries.reviewers import reviewer_record
from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion, Workflow
from policies.queries import live_policy
from reviews.models import Decision, Ticket

P = ParamSpec("P")


class ReadersRequest(HttpRequest):
    """A request of somebody who may read insights."""

    user: User
    htmx: HtmxDetails


Page = Callable[Concatenate[ReadersRequest, P], HttpResponseBase]


def for_readers(page: Page[P]) -> Callable[..., HttpResponseBase]:
    """For leads, auditors and admins."""

    @never_cache
    @login_required
    @wraps(page)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not may_read_insights(request.user):
            raise PermissionDenied
        return page(cast(ReadersRequest, request), *args, **kwargs)

    return guarded


def _choice(query: QueryDict) -> tuple[Choice, dict[str, Any]]:
    """What the page is to show, and what every insights page needs to print it. Raises Http404 with no workflow."""
    workflows = list(Workflow.objects.select_related("review_group").order_by("title"))
    if not workflows:
        raise Http404
    wanted = query.get("workflow", "")
    chosen = next((workflow for workflow in workflows if workflow.key == wanted), None)
    if chosen is None:
        chosen = busiest_of(workflows, since=(timezone.now() - timedelta(days=SHOWN_DAYS)).date())
    form = Choice(query.dict(), workflows=workflows, chosen=chosen, keys=keys_of(chosen))
    return form, {"form": form, "workflow": chosen, "query": query.urlencode()}


@require_GET
@for_readers
def insights(request: ReadersRequest) -> HttpResponse:
    """How often people change what the AI proposes, and how the queue does."""
    now = timezone.now()
    form, shown = _choice(request.GET)
    window = form.window(now=now)
    shown |= {"alarms": open_alarms(shown["workflow"]), "past_alarms": past_alarms(shown["workflow"])}
    return render(
        request,
        "feedback/insights.html",
        {**shown, "overrides": overrides_of(window), "queue": queue_health_of(window), "now": now},
    )


@require_GET
@for_readers
def evidence(request: ReadersRequest) -> HttpResponse:
    """What the labels prove: calibration, risk, audits, recommended thresholds, agreement, drift."""
    now = timezone.now()
    form, shown = _choice(request.GET)
    scope, policy = form.scope(), live_policy(shown["workflow"].pk)
    return render(
        request,
        "feedback/evidence.html",
        {
            **shown,
            "calibration": calibration_of(scope),
            "risk": risk_of(scope),
            "audits": audits_of(scope, now=now),
            "overturned": overturned_audits(scope),
            "thresholds": thresholds_of(scope, now=now),
            "agreement": agreement_of(scope),
            "rows": evidence_of(shown["workflow"], policy=policy) if policy else (),
            "may_draft": may_draft_policies(request.user),
        },
    )


@require_POST
@for_readers
def draft_threshold(request: ReadersRequest) -> HttpResponse:
    """Make a policy draft of what the page recommends, with its certificate; an admin publishes it, or doesn't."""
    asked = DraftForm(request.POST)
    if not may_draft_policies(request.user):
        raise PermissionDenied
    if not asked.is_valid():
        return HttpResponse("Which threshold?", status=422, content_type="text/plain; charset=utf-8")
    form, _ = _choice(QueryDict(asked.cleaned_data["query"]))
    try:
        draft = services.draft_threshold(
            form.scope(), alpha=asked.cleaned_data["alpha"], author=request.user, now=timezone.now()
        )
    except services.NoneQualifies as error:
        messages.error(request, f"No threshold qualifies now. {error.detail}")
        return redirect(f"{reverse('evidence')}?{asked.cleaned_data['query']}")
    messages.success(request, f"Version {draft.number} is a draft of it. Nothing changes before it is published.")
    return redirect("admin:policies_policyversion_change", draft.pk)


@require_GET
@for_readers
def alarm(request: ReadersRequest, alarm_id: int) -> HttpResponse:
    """What is wrong, which reasons and tickets lead, and a form to acknowledge it for those who may."""
    return _alarm_page(request, _alarm(alarm_id), form=AcknowledgeForm())


@require_POST
@for_readers
def acknowledge_alarm(request: ReadersRequest, alarm_id: int) -> HttpResponse:
    found = _alarm(alarm_id)
    if not may_acknowledge(request.user):
        raise PermissionDenied
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        return _alarm_page(request, found, form=form, status=422)
    services.acknowledge_alarm(found, user=request.user, note=form.cleaned_data["note"], now=timezone.now())
    messages.success(request, "Acknowledged.")
    return redirect("alarm", alarm_id)


def _alarm(alarm_id: int) -> Alarm:
    return get_object_or_404(Alarm.objects.select_related("workflow", "acknowledged_by"), pk=alarm_id)


def _alarm_page(request: ReadersRequest, found: Alarm, *, form: AcknowledgeForm, status: int = 200) -> HttpResponse:
    shown = {
        "alarm": found,
        "ends_by_itself": found.kind in ENDS_BY_ITSELF,
        "form": form,
        "may_acknowledge": may_acknowledge(request.user),
    }
    return render(request, "feedback/alarm.html", shown, status=status)


@require_http_methods(["GET", "POST"])
@for_readers
def exports(request: ReadersRequest) -> HttpResponse:
    """Ask for a file of training data; see which are being written; fetch those that are done."""
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            services.request_export(
                user=request.user,
                workflow=asked["workflow"],
                shape=ExportShape(asked["shape"]),
                format=ExportFormat(asked["format"] or ExportFormat.JSON_LINES),
                since=asked["since"],
                until=asked["until"],
                action=asked["action"],
                model=(asked["model"], asked["model_version"]),
                now=timezone.now(),
            )
        except services.ParquetNotInstalled as error:
            form.add_error("format", error.detail)
        else:
            messages.success(request, "The file is being written.")
            return redirect("exports")
    status = 422 if request.method == "POST" else 200
    found = newest_exports()
    is_writing = any(export.state in (RunState.WAITING, RunState.RUNNING) for export in found)
    shown = {"form": form, "exports": found, "is_writing": is_writing}
    return render(request, "feedback/exports.html", shown, status=status)


@require_http_methods(["GET", "POST"])
@for_readers
def backtests(request: ReadersRequest, key: str, number: int) -> HttpResponse:
    """Try a version of a policy on past decisions, and see what came of it; for the page that publishes it, a part."""
    version = get_object_or_404(PolicyVersion.objects.select_related("workflow"), workflow__key=key, number=number)
    form = BacktestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        decisions = form.cleaned_data["decisions"]
        services.request_backtest(version, user=request.user, decisions=decisions, now=timezone.now())
        return redirect("backtests", key, number)
    tried = backtests_of(version)
    if request.htmx and request.htmx.target == "newest-backtest":
        return render(request, "feedback/backtest.html#newest", {"tried": tried})
    is_writing = any(run.state in (RunState.WAITING, RunState.RUNNING) for run in tried.runs)
    is_unpublished = version.status in (VersionStatus.DRAFT, VersionStatus.SHADOW)
    shown = {
        "form": form,
        "tried": tried,
        "full": in_full(tried, chosen=request.GET.get("run", "")),
        "is_writing": is_writing,
        "may_publish": is_unpublished and may_draft_policies(request.user),
    }
    return render(request, "feedback/backtest.html", shown, status=422 if request.method == "POST" else 200)


@require_GET
@for_readers
def export_file(request: ReadersRequest, export_id: UUID) -> HttpResponseBase:
    export = get_object_or_404(Export.objects.select_related("workflow"), pk=export_id)
    try:
        path = services.file_of(export, user=request.user)
    except services.NotReady as error:
        return HttpResponse(error.detail, status=409, content_type="text/plain; charset=utf-8")
    if not path.exists():
        raise Http404
    of = export.workflow.key if export.workflow else "all"
    name = f"{of}-{export.shape}-{export.requested_at:%Y%m%d-%H%M}{path.suffix}"
    content_type = "application/x-ndjson" if path.suffix == ".jsonl" else "application/vnd.apache.parquet"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type=content_type)


@require_http_methods(["GET", "POST"])
@for_readers
def known_answers(request: ReadersRequest) -> HttpResponse:
    """How reviewers do where the truth is known; and what is set aside to be sown, with a form to set more aside."""
    choice, shown = _choice(request.GET)
    workflow = shown["workflow"]
    if request.method == "POST" and not may_plant(request.user):
        raise PermissionDenied
    form = SeedForm(request.POST or None, workflow=workflow)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            services.plant_seed(asked["decision"], evidence=asked["evidence"], user=request.user, now=timezone.now())
        except services.NoSeed as error:
            form.add_error("decision", error.detail)
        else:
            messages.success(request, "Set aside: it will be sown among the tickets of those who have not seen it.")
            return redirect(f"{reverse('known-answers')}?{urlencode({'workflow': workflow.key})}")
    shown |= {"garden": garden_of(workflow), "scores": scores_by_reviewer(workflow=workflow), "plant": form}
    return render(
        request,
        "feedback/known_answers.html",
        {**shown, "may_plant": may_plant(request.user), "form": choice},
        status=422 if request.method == "POST" else 200,
    )


@require_POST
@for_readers
def retire_seed(request: ReadersRequest, seed_id: UUID) -> HttpResponse:
    seed = get_object_or_404(Seed.objects.select_related("workflow"), pk=seed_id)
    try:
        services.retire_seed(seed, user=request.user)
    except services.NotAllowed as error:
        raise PermissionDenied from error
    messages.success(request, "It is sown no more.")
    return redirect(f"{reverse('known-answers')}?{urlencode({'workflow': seed.workflow.key})}")


@never_cache
@login_required
@require_GET
def my_record(request: HttpRequest) -> HttpResponse:
    """A reviewer's own page: how fast, how often in agreement, and what known answers showed. Shown to them first."""
    user = cast(User, request.user)
    return render(request, "feedback/my_record.html", {"record": reviewer_record(user, now=timezone.now())})


# ---- Beside a ticket and a story: fragments that those pages load by their addresses --------------------------------


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
