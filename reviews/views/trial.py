"""Try a policy version on a decision that was made, before it binds anything."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from policies.domain.spec import SpecError
from policies.models import Workflow
from reviews.permissions import may_read_log
from reviews.queries.trial import decision_called, newest_decisions, trial, versions_to_try
from reviews.services.judge import evidence_limit
from reviews.views.gate import PageRequest, signed_in


@require_GET
@signed_in
def try_policy(request: PageRequest, key: str) -> HttpResponse:
    """The decision that the address names (or the newest), judged by the version that it names (or the first draft)."""
    if not may_read_log(request.user):
        raise PermissionDenied
    workflow = get_object_or_404(Workflow, key=key)
    number, name = request.GET.get("version", ""), request.GET.get("decision", "").strip()
    is_number = number.isascii() and number.isdigit() and len(number) < 9
    versions = versions_to_try(workflow, asked=int(number) if is_number else None)
    version = next((each for each in versions if str(each.number) == number), versions[0] if versions else None)
    newest = newest_decisions(workflow)
    decision = decision_called(name, workflow=workflow) if name else next(iter(newest), None)
    tried, problem = None, ""
    if version is not None and decision is not None:
        try:
            tried = trial(version, decision, evidence_limit=evidence_limit())
        except SpecError as error:
            problem = str(error)
    return render(
        request,
        "reviews/trial.html",
        {
            "workflow": workflow,
            "versions": versions,
            "version": version,
            "newest": newest,
            "name": name,
            "trial": tried,
            "problem": problem,
        },
    )
