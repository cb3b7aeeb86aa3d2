"""How people come in: who they are and in which groups, and their second factor."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

import segno
from django import forms
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, redirect_to_login
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRedirect
from django_otp import login as confirm_session
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.rest import is_api, problem
from reviews.queries.prepared import ByKey

RECOVERY_CODES: Final = 10
DIGITS: Final = 6
"""Of an app's code; a recovery code has eight letters and digits."""
OIDC_BACKEND: Final = "config.oidc.Provider"
_OWES: Final = "owes_second_factor"  # in the session: a factor that was set up must be shown, required or not
# What somebody reaches who has shown a password only; None of it shows or changes anything of the console.
_BEFORE_IT: Final = frozenset(
    {
        *("login", "logout", "second-factor", "new-second-factor", "admin:logout"),
        *("oidc_authentication_init", "oidc_authentication_callback"),
        *("healthz", "readyz", "metrics", "jwks", "schema", "api-docs"),
    }
)


class WithRoles(ModelBackend):
    """Reads a session's user together with the ids of their groups, so that a change of role is seen at no cost."""

    def get_user(self, user_id: int) -> User | None:
        user = _WITH_GROUPS.get(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None


_WITH_GROUPS = ByKey(
    lambda: User.objects.annotate(group_ids=ArrayAgg("groups__id", default=[], order_by="groups__id")), int
)


def roles_of(user: User) -> str:
    """What a person may do, as one comparable text."""
    groups = getattr(user, "group_ids", None)
    if groups is None:
        groups = list(user.groups.order_by("id").values_list("id", flat=True))
    return ",".join([f"{user.is_staff:d}{user.is_superuser:d}", *(str(group) for group in groups if group)])


# ---- The gate -------------------------------------------------------------------------------------------------------


class SecondFactor:
    """Lets nobody past who has shown a password only, where a second factor is required or was set up.

    Pages, admin and the API of sessions alike; a key is not a session. Who comes from an OIDC provider has shown there
    what it asks for.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name in _BEFORE_IT or not owes_second_factor(request):
            return None
        if is_api(request):
            return problem(
                request,
                HTTPStatus.FORBIDDEN,
                code="second_factor_required",
                detail="Show your second factor first: log in, and enter a code.",
            )
        if getattr(request, "htmx", False):
            return HttpResponseClientRedirect(reverse("second-factor"))
        return redirect_to_login(request.get_full_path(), reverse("second-factor"))


def owes_second_factor(request: HttpRequest) -> bool:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not (settings.REQUIRE_OTP or request.session.get(_OWES)):
        return False
    if not request.user.is_authenticated or request.session.get(BACKEND_SESSION_KEY) == OIDC_BACKEND:
        return False
    return not has_shown_it(request)


def has_shown_it(request: HttpRequest) -> bool:
    """As OTPMiddleware tells of the session's user."""
    return bool(cast(Any, request.user).is_verified())


# ---- Log-in ---------------------------------------------------------------------------------------------------------


class LogIn(LoginView):
    """By password; whoever has set up a second factor is asked for it next."""

    redirect_authenticated_user = True
    http_method_names = ["get", "head", "post"]

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return super().get_context_data(oidc=bool(settings.OIDC_CLIENT_ID), **more)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        self.request.session[_OWES] = has_second_factor(form.get_user())
        return response


@require_GET
def admin_log_in(request: HttpRequest) -> HttpResponse:
    """The admin has no log-in of its own: one door, one gate."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


def has_second_factor(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


class CodeInput(forms.TextInput):
    """Empty after a wrong code, so that the next one is typed and not added."""

    def format_value(self, value: Any) -> None:
        return None


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=20,
        widget=CodeInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split()).lower()


@never_cache
@login_required
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the app's code, or a recovery code. After a wrong one the next try waits, twice as long each time."""
    user = cast(User, request.user)
    if not has_second_factor(user):
        return redirect_to_login(_next(request), reverse("new-second-factor"))
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        device = _matched(user, form.cleaned_data["code"])
        if device is not None:
            confirm_session(request, device)
            request.session.cycle_key()
            return redirect(_next(request))
        form.add_error("code", "This code doesn't match, was used already, or came too soon after a wrong one.")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "registration/second_factor.html", {"form": form, "next": _next(request)}, status=status)


def _matched(user: User, code: str) -> Device | None:
    """The device that the code is of. Only one of its kind is asked: a try that fails makes a device wait."""
    kind = TOTPDevice if code.isdecimal() and len(code) == DIGITS else StaticDevice
    with transaction.atomic():
        devices = kind.objects.select_for_update().filter(user=user, confirmed=True)
        return next((device for device in devices if device.verify_token(code)), None)


@never_cache
@login_required
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def new_second_factor(request: HttpRequest) -> HttpResponse:
    """Set up an app for codes, or another one in its place; the recovery codes are shown once, on the answer."""
    user = cast(User, request.user)
    if has_second_factor(user) and not has_shown_it(request):
        # A password alone doesn't replace the factor that is there to stand beside it.
        return redirect_to_login(reverse("new-second-factor"), reverse("second-factor"))
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "App"})
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if device.verify_token(form.cleaned_data["code"]):
            codes = _take_up(device, user=user)
            confirm_session(request, device)
            request.session.cycle_key()
            return render(request, "registration/recovery_codes.html", {"codes": codes, "next": _next(request)})
        form.add_error(
            "code", "This code doesn't match, or came too soon after a wrong one. Is the phone's clock right?"
        )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    about = {"form": form, "next": _next(request), "link": device.config_url, "squares": qr_code(device.config_url)}
    return render(request, "registration/new_second_factor.html", about, status=status)


def _take_up(device: TOTPDevice, *, user: User) -> list[str]:
    """The device counts from now on, alone, with recovery codes of its own; which are given back."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        StaticDevice.objects.filter(user=user).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        recovery = StaticDevice.objects.create(user=user, name="Recovery codes")
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=recovery, token=code) for code in codes)
        return codes


def qr_code(text: str) -> dict[str, Any]:
    """A QR code as an SVG path of unit squares, and the side of the whole with its quiet zone."""
    matrix = segno.make(text, error="m", micro=False).matrix
    dark = ((x, y) for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark)
    return {"path": "".join(f"M{x + 4} {y + 4}h1v1h-1z" for x, y in dark), "side": len(matrix) + 8}


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: inside, and never back to the gate."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
