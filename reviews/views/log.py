"""The log: every decision, the story of each, and any filter of it as a file."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from io import StringIO
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from policies.domain.reasons import for_people
from policies.domain.spec import Reason
from policies.domain.vocabulary import ReasonCode, WorkflowKind
from policies.queries import live_policy
from reviews.domain.changes import changes_between
from reviews.domain.fields import fields_of
from reviews.forms import LogFilterForm
from reviews.models import Decision
from reviews.permissions import may_read_log, may_see_personal_fields
from reviews.queries import LogFilters, LogRow, log_page, story
from reviews.queries.decisions import LOOKED_THROUGH, log_rows
from reviews.queries.dossier import known_action, policy_for
from reviews.queries.log_export import log_stretches
from reviews.queries.personal import hide_personal_fields
from reviews.services.note_export import note_export
from reviews.views.gate import PageRequest, signed_in
from reviews.views.payload import arranged

# What a spreadsheet would run instead of showing.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_GET
@signed_in
def log(request: PageRequest) -> HttpResponse:
    """A page of the log by the filters of the address."""
    _check_reader(request)
    form = LogFilterForm(request.GET)
    page = log_page(form.filters(), after=_place(request))
    template = "reviews/log.html#rows" if request.htmx.target == "rows" else "reviews/log.html"
    shown = {"page": page, "form": form, "query": form.query(), "looked_through": LOOKED_THROUGH}
    return render(request, template, {**shown, "now": timezone.now()})


@require_GET
@signed_in
def decision_story(request: PageRequest, decision_id: UUID) -> HttpResponse:
    """One decision from submission to execution: who, when, by which policy."""
    _check_reader(request)
    found = Decision.objects.filter(pk=decision_id)
    rows = log_rows(found)
    if not rows:
        raise Http404
    decision = found.select_related("workflow", "client", "policy_version").get()
    policy = policy_for(decision, live=live_policy(decision.workflow_id))
    action = known_action(policy, decision.action)
    outcome = getattr(decision, "outcome", None)
    if not may_see_personal_fields(request.user, decision):
        hide_personal_fields(decision.workflow_id, decision, *([outcome] if outcome else []))
    changed = outcome is not None and outcome.payload_sha256 != decision.payload_sha256
    return render(
        request,
        "reviews/story.html",
        {
            "row": rows[0],
            "decision": decision,
            "renderer": f"reviews/payloads/{WorkflowKind(decision.workflow.kind)}.html",
            "payload": arranged(decision.payload or {}, kind=decision.workflow.kind, action=action, sensitive=False),
            "sensitive": bool(action and action.sensitive),
            "context_fields": fields_of(decision.context, layout={}) if decision.context else (),
            "reasons": [
                (
                    ReasonCode(each.code).label,
                    for_people(each, action=decision.action, title=action.title if action else ""),
                )
                for each in map(Reason.from_json, decision.reasons)
            ],
            "outcome": outcome,
            "changes": changes_between(decision.payload or {}, outcome.payload or {}) if changed and outcome else (),
            "moments": story(decision),
        },
    )


@require_GET
@signed_in
def log_csv(request: PageRequest) -> HttpResponseBase:
    """Every row of the filter, as CSV."""
    return _file(request, form="csv", content_type="text/csv; charset=utf-8", lines=_csv_lines)


@require_GET
@signed_in
def log_jsonl(request: PageRequest) -> HttpResponseBase:
    """Every row of the filter, one JSON object a line."""
    return _file(request, form="jsonl", content_type="application/x-ndjson", lines=_json_lines)


def _check_reader(request: PageRequest) -> None:
    if not may_read_log(request.user):
        raise PermissionDenied


def _place(request: PageRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None


def _file(
    request: PageRequest, *, form: str, content_type: str, lines: Callable[[LogFilters], Iterator[str]]
) -> HttpResponseBase:
    _check_reader(request)
    filter_form = LogFilterForm(request.GET)
    filters = filter_form.filters()
    note_export(request.user, form=form, filters=filter_form.set_names(), now=timezone.now())
    answer = StreamingHttpResponse(lines(filters), content_type=content_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="countersign-log.{form}"'
    return answer


def _csv_lines(filters: LogFilters) -> Iterator[str]:
    names = [each.name for each in fields(LogRow)]
    yield _csv_line(names)
    for rows in log_stretches(filters):
        for row in rows:
            yield _csv_line([_cell(value) for value in asdict(row).values()])


def _csv_line(cells: list[str]) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _json_lines(filters: LogFilters) -> Iterator[str]:
    for rows in log_stretches(filters):
        for row in rows:
            yield json.dumps(asdict(row), ensure_ascii=False, default=str) + "\n"
