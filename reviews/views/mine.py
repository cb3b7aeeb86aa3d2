"""What is a reviewer's own: their last verdicts, and how they want the console."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from reviews.forms import PreferencesForm
from reviews.queries import recent_verdicts
from reviews.queries.recent import SHOWN, pace_of
from reviews.queries.standing import preferences_of
from reviews.services.prefer import set_preferences
from reviews.views.gate import PageRequest, signed_in


@require_GET
@signed_in
def last_verdicts(request: PageRequest) -> HttpResponse:
    """The last ten, newest first, and at what pace; those within their hold can be taken back."""
    now = timezone.now()
    recent = recent_verdicts(request.user, now=now)
    shown = {"verdicts": recent[:SHOWN], "pace": pace_of(recent), "now": now}
    return render(request, "reviews/last.html", shown)


@require_http_methods(["GET", "POST"])
@signed_in
def preferences(request: PageRequest) -> HttpResponse:
    """Theme, sensitive items, away."""
    if request.method == "GET":
        form = PreferencesForm(initial=preferences_of(request.user))
        return render(request, "reviews/preferences.html", {"form": form})
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return render(request, "reviews/preferences.html", {"form": form}, status=422)
    set_preferences(request.user, **form.cleaned_data)
    messages.success(request, "Kept.")
    return redirect("preferences")
