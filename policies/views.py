"""What is in force, in plain words; how it came to be; and the stop."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from policies import queries, services
from policies.domain.differences import Difference
from policies.domain.spec import SpecError
from policies.domain.vocabulary import VersionStatus
from policies.forms import ReasonForm
from policies.models import PolicyVersion, Workflow
from policies.permissions import may_edit_policies, may_pause, may_read_policies

P = ParamSpec("P")


class ReadersRequest(HttpRequest):
    """A request of somebody who may read policies."""

    user: User


Page = Callable[Concatenate[ReadersRequest, P], HttpResponse]


def for_readers(page: Page[P]) -> Callable[..., HttpResponse]:
    """For everybody with a part in the work."""

    @never_cache
    @login_required
    @wraps(page)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not may_read_policies(request.user):
            raise PermissionDenied
        return page(cast(ReadersRequest, request), *args, **kwargs)

    return guarded


@require_GET
@for_readers
def policies(request: ReadersRequest) -> HttpResponse:
    """Every workflow, what is in force in it, and whether it is stopped."""
    return render(
        request,
        "policies/policies.html",
        {
            "policies": queries.policies_in_words(),
            "may_pause": may_pause(request.user),
            "may_edit": may_edit_policies(request.user),
            "form": ReasonForm(),
        },
    )


@require_GET
@for_readers
def policy(request: ReadersRequest, key: str) -> HttpResponse:
    """One workflow: what is in force, every version with who, when and why, and what differs between any two."""
    workflow = _workflow(key)
    versions = queries.versions_of(workflow)
    return render(
        request,
        "policies/policy.html",
        {
            "state": queries.workflow_in_words(workflow),
            "versions": versions,
            "changes": queries.changes_of(workflow),
            "compared": _compared(request, workflow, versions),
            "may_pause": may_pause(request.user),
            "may_edit": may_edit_policies(request.user),
            "form": ReasonForm(),
        },
    )


@require_GET
@for_readers
def version(request: ReadersRequest, key: str, number: int) -> HttpResponse:
    """One version, whatever became of it: all that it says, and what it changed."""
    found = queries.version_of(_workflow(key), number)
    if found is None:
        raise Http404
    try:
        said = queries.in_words(found, change=queries.put_in_force_by(found))
        changed = queries.differences_between(found.base, found) if found.base else None
    except SpecError as error:  # a draft, until it is put right
        said, changed, problem = None, None, str(error)
    else:
        problem = ""
    return render(
        request,
        "policies/version.html",
        {
            "version": found,
            "said": said,
            "changed": changed,
            "problem": problem,
            "may_edit": may_edit_policies(request.user),
        },
    )


@require_http_methods(["GET", "POST"])
@for_readers
def pause(request: ReadersRequest, key: str = "") -> HttpResponse:
    """Stop a workflow, or everything: ask why, and do it."""
    return _throw(request, key, throw=services.pause, title="Pause", done="paused")


@require_http_methods(["GET", "POST"])
@for_readers
def resume(request: ReadersRequest, key: str = "") -> HttpResponse:
    """Lift a stop: ask why, and do it."""
    return _throw(request, key, throw=services.resume, title="Resume", done="running again")


def _throw(request: ReadersRequest, key: str, *, throw: Callable[..., object], title: str, done: str) -> HttpResponse:
    if not may_pause(request.user):
        raise PermissionDenied
    workflow = _workflow(key) if key else None
    what = workflow.title if workflow else "everything"
    form = ReasonForm(request.POST or None)
    status = 200
    if request.method == "POST":
        if form.is_valid():
            try:
                throw(workflow, actor=request.user, reason=form.cleaned_data["reason"], now=timezone.now())
            except services.AlreadySo as error:
                form.add_error(None, error.detail)
                status = 409
            else:
                messages.success(request, f"{what[0].upper()}{what[1:]} is {done}.", extra_tags="go")
                return redirect("policy", key) if workflow else redirect("policies")
        else:
            status = 422
    context = {"form": form, "workflow": workflow, "title": title, "what": what}
    return render(request, "policies/stop.html", context, status=status)


def _workflow(key: str) -> Workflow:
    return get_object_or_404(Workflow.objects.select_related("review_group", "escalation_group"), key=key)


def _compared(
    request: HttpRequest, workflow: Workflow, versions: tuple[tuple[PolicyVersion, object], ...]
) -> dict[str, object] | None:
    """The two versions that the URL names (or the newest and the one before it), with what differs."""
    numbers = [version.number for version, _ in versions if version.published_at]
    asked = [request.GET.get(name, "") for name in ("from", "to")]
    if all(each.isascii() and each.isdigit() and len(each) < 9 for each in asked):
        before, after = (queries.version_of(workflow, int(each)) for each in asked)
    elif len(numbers) > 1:
        after, before = (queries.version_of(workflow, number) for number in numbers[:2])
    else:
        return None
    if before is None or after is None or VersionStatus.DRAFT in (before.status, after.status):
        raise Http404
    found: tuple[Difference, ...] = queries.differences_between(before, after)
    return {"before": before, "after": after, "differences": found}
