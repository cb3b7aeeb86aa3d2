"""The second factor: set up once, asked for at each log-in, and in front of everything."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.accounts import qr_code
from tests.factories import PASSWORD, ada, ana, make_client, make_workflow, omar

pytestmark = pytest.mark.django_db


@pytest.fixture
def required(settings):
    settings.REQUIRE_OTP = True


@pytest.fixture
def visitor() -> Browser:
    return Browser()


def log_in(visitor: Browser, user: User):
    return visitor.post("/login/", {"username": user.username, "password": PASSWORD})


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """The code that the app shows now, or some steps of 30 s from now."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time() + steps * 30
    return f"{totp.token():06}"


def set_up(visitor: Browser, user: User) -> tuple[TOTPDevice, list[str]]:
    visitor.get("/second-factor/new/")
    device = TOTPDevice.objects.get(user=user, confirmed=False)
    page = visitor.post("/second-factor/new/", {"code": code_of(device, steps=-1)})
    assert page.status_code == 200, page.content
    device.refresh_from_db()
    return device, page.context["codes"]


@pytest.fixture
def anas(visitor) -> tuple[TOTPDevice, list[str]]:
    """Ana's app and recovery codes; nobody is logged in."""
    log_in(visitor, ana())
    made = set_up(visitor, ana())
    visitor.post("/logout/")
    return made


# ---- Set-up ---------------------------------------------------------------------------------------------------------


def test_who_is_required_to_have_one_sets_it_up_at_log_in(required, visitor):
    log_in(visitor, ana())

    page = visitor.get("/", follow=True)

    assert page.redirect_chain[-1][0].startswith("/second-factor/new/")
    device = TOTPDevice.objects.get(user=ana())
    assert not device.confirmed
    assert f"secret={parse_qs(urlsplit(device.config_url).query)['secret'][0]}" in page.content.decode()
    assert "style=" not in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    set_up(visitor, ana())
    assert visitor.get("/").status_code == 200


def test_recovery_codes_are_shown_once_and_each_counts_once(required, visitor, anas):
    _, codes = anas
    assert len(set(codes)) == 10
    log_in(visitor, ana())
    assert codes[0] not in visitor.get("/second-factor/new/", follow=True).content.decode()
    assert visitor.post("/second-factor/", {"code": f" {codes[0].upper()} "}).status_code == 302
    assert visitor.get("/").status_code == 200
    visitor.post("/logout/")
    log_in(visitor, ana())
    assert visitor.post("/second-factor/", {"code": codes[0]}).status_code == 422
    assert StaticToken.objects.count() == 9


def test_wrong_codes_of_the_app_keep_no_recovery_code_waiting(visitor, anas):
    _, codes = anas
    log_in(visitor, ana())
    for _ in range(3):
        assert visitor.post("/second-factor/", {"code": "000000"}).status_code == 422
    assert visitor.post("/second-factor/", {"code": codes[0]}).status_code == 302


def test_a_wrong_code_sets_nothing_up(visitor):
    log_in(visitor, ana())
    visitor.get("/second-factor/new/")
    assert visitor.post("/second-factor/new/", {"code": "abc"}).status_code == 422
    assert not TOTPDevice.objects.get().confirmed
    assert not StaticToken.objects.exists()


def test_a_password_alone_replaces_no_factor(visitor, anas):
    log_in(visitor, ana())
    assert visitor.get("/second-factor/new/").url.startswith("/second-factor/")
    assert visitor.post("/second-factor/new/", {"code": "123456"}).status_code == 302
    assert TOTPDevice.objects.get().confirmed


def test_who_has_shown_theirs_sets_up_another_in_its_place(visitor, anas):
    device, codes = anas
    log_in(visitor, ana())
    visitor.post("/second-factor/", {"code": codes[0]})
    newer, newer_codes = set_up(visitor, ana())
    assert TOTPDevice.objects.get() == newer != device
    assert not set(codes) & set(newer_codes)
    assert set(StaticToken.objects.values_list("token", flat=True)) == set(newer_codes)


# ---- Log-in ---------------------------------------------------------------------------------------------------------


def test_whoever_set_one_up_is_asked_for_it_required_or_not(visitor, anas):
    device, _ = anas
    log_in(visitor, ana())
    assert visitor.get("/").url == "/second-factor/?next=/"
    entered = visitor.post("/second-factor/", {"code": code_of(device), "next": "/preferences/"})
    assert entered.url == "/preferences/"
    assert visitor.get("/").status_code == 200


def test_a_code_counts_once(visitor, anas):
    device, _ = anas
    code = code_of(device)
    for expected in (302, 422):
        log_in(visitor, ana())
        assert visitor.post("/second-factor/", {"code": code}).status_code == expected
        visitor.post("/logout/")


def test_after_a_wrong_code_even_the_right_one_must_wait(visitor, anas):
    device, _ = anas
    log_in(visitor, ana())
    for code in ("000000", code_of(device)):
        page = visitor.post("/second-factor/", {"code": code})
        assert page.status_code == 422
    assert b"too soon" in page.content


def test_it_goes_on_to_nowhere_else(visitor, anas):
    device, _ = anas
    log_in(visitor, ana())
    entered = visitor.post("/second-factor/", {"code": code_of(device), "next": "https://elsewhere.example/"})
    assert entered.url == "/"


def test_whom_nothing_requires_and_who_set_none_up_is_asked_for_nothing(visitor):
    log_in(visitor, ana())
    assert visitor.get("/").status_code == 200


# ---- The gate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", [ana, omar, ada], ids=lambda person: person.__name__)
@pytest.mark.parametrize(
    "path", ["/", "/log/", "/policies/", "/insights/", "/admin/", "/admin/auth/user/", "/preferences/"]
)
def test_no_page_opens_to_a_password_alone(required, visitor, person, path):
    visitor.force_login(person())
    answer = visitor.get(path)
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/second-factor/")


@pytest.mark.parametrize("person", [ana, omar, ada], ids=lambda person: person.__name__)
@pytest.mark.parametrize("path", ["tickets/next", "pause", "workflows/support/pause"])
def test_no_session_api_does_either(required, visitor, person, path):
    make_workflow()
    visitor.force_login(person())
    answer = visitor.post(f"/api/v1/{path}", {"reason": "Because."}, content_type="application/json")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:countersign:problem:second_factor_required"


def test_a_fragment_is_sent_there_as_a_whole(required, visitor):
    visitor.force_login(ana())
    assert visitor.get("/", headers={"HX-Request": "true"})["HX-Redirect"] == "/second-factor/"


def test_a_key_has_no_second_factor(required, visitor, settings):
    _, key = make_client(rate_limit=0)
    answer = visitor.get("/api/v1/decisions", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/login/", "/healthz", "/api/v1/schema", "/.well-known/jwks.json"])
def test_what_is_for_anybody_stays_so(required, visitor, path, permit_key):
    assert visitor.get(path).status_code == 200


def test_the_admin_has_no_door_of_its_own(visitor):
    assert visitor.get("/admin/").url == "/admin/login/?next=/admin/"
    assert visitor.get("/admin/login/?next=/admin/").url == "/login/?next=/admin/"
    assert visitor.post("/admin/login/", {"username": "ada", "password": PASSWORD}).status_code == 405
    visitor.force_login(ana())
    assert visitor.get("/admin/login/?next=/admin/").status_code == 403


def test_a_qr_code_is_as_wide_as_its_quiet_zone_asks():
    made = qr_code("otpauth://totp/Countersign:ana?secret=ABC")
    assert made["path"].startswith("M4 4h1v1h-1z")
    assert made["side"] >= 21 + 8
