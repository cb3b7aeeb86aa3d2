"""How often people change what the AI proposes, alarms, known answers, and the files that verdicts become."""

from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from feedback import services
from feedback.domain.vocabulary import ENDS_BY_ITSELF, ExportFormat, ExportShape, RunState
from feedback.forms import AcknowledgeForm, BacktestForm, ExportForm, SeedForm
from feedback.models import Alarm, Export, Seed
from feedback.permissions import may_acknowledge, may_draft_policies, may_plant
from feedback.queries.alarms import open_alarms, past_alarms
from feedback.queries.backtests import backtests_of, in_full
from feedback.queries.exports import newest_exports
from feedback.queries.known_answers import garden_of, scores_by_reviewer
from feedback.queries.overrides import overrides_of, queue_health_of
from feedback.queries.reviewers import reviewer_record
from feedback.views.readers import ReadersRequest, choice_of, for_readers
from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion


@require_GET
@for_readers
def insights(request: ReadersRequest) -> HttpResponse:
    """How often people change what the AI proposes, and how the queue does."""
    now = timezone.now()
    form, shown = choice_of(request.GET)
    window = form.window(now=now)
    shown |= {"alarms": open_alarms(shown["workflow"]), "past_alarms": past_alarms(shown["workflow"])}
    return render(
        request,
        "feedback/insights.html",
        {**shown, "overrides": overrides_of(window), "queue": queue_health_of(window), "now": now},
    )


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
    choice, shown = choice_of(request.GET)
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
