"""How the work and the machine stand, for leads and admins."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from reviews.permissions import may_see_status
from reviews.queries.status import status_of
from reviews.views.gate import PageRequest, only_for


@require_GET
@only_for(may_see_status)
def status(request: PageRequest) -> HttpResponse:
    """Backlog, deliveries, the sealed log, intakes, and when each process last did its work."""
    now = timezone.now()
    found = status_of(evidence_max_age=timedelta(seconds=settings.EVIDENCE_MAX_AGE_SECONDS), now=now)
    return render(request, "reviews/status.html", {"status": found, "now": now})
