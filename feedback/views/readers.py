"""Who reads insights, and what of them was chosen to be shown."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django_htmx.middleware import HtmxDetails

from feedback.forms import SHOWN_DAYS, Choice
from feedback.permissions import may_draft_policies, may_read_insights
from feedback.queries.labels import busiest_of, keys_of
from policies.models import Workflow

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


def for_drafters(page: Page[P]) -> Callable[..., HttpResponseBase]:
    """A view for readers who may make drafts of policies: admins."""

    @wraps(page)
    def guarded(request: ReadersRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not may_draft_policies(request.user):
            raise PermissionDenied
        return page(request, *args, **kwargs)

    return for_readers(guarded)


def choice_of(query: QueryDict) -> tuple[Choice, dict[str, Any]]:
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
