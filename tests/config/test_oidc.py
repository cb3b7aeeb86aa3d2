"""Log-in by an OpenID Connect provider: a small real one, on this machine, that signs what it says."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client as Visitor
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.factories import ana, make_group

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.oidc_urls")]
KEY = RSAKey.generate_key(2048, {"kid": "k", "alg": "RS256", "use": "sig"})


class Idp(ThreadingHTTPServer):
    """Answers token, userinfo and jwks; `claims` change the token, `person` is who logs in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.nonce, self.claims, self.signed_by = "", {}, KEY
        self.asked: dict[str, list[str]] = {}
        self.person: dict[str, Any] = {
            "sub": "1",
            "email": "ana@example.org",
            "email_verified": True,
            "given_name": "Ana",
            "family_name": "Alves",
            "groups": ["Support"],
        }

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "countersign", "sub": "1", "iat": now, "exp": now + 60, "nonce": self.nonce}
        told = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "k"}, told, self.signed_by)


class _Handler(BaseHTTPRequestHandler):
    server: Idp

    def do_GET(self) -> None:
        answers = {"/jwks": {"keys": [KEY.as_dict(private=False)]}, "/userinfo": self.server.person}
        self.answer(answers[self.path])

    def do_POST(self) -> None:
        self.server.asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer({"access_token": "a", "token_type": "Bearer", "id_token": self.server.token()})

    def answer(self, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def idp(settings) -> Iterator[Idp]:
    server = Idp()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "mozilla_django_oidc"]
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "config.oidc.Provider"]
    settings.OIDC_CLIENT_ID = settings.OIDC_RP_CLIENT_ID = "countersign"
    settings.OIDC_RP_CLIENT_SECRET = "s"
    settings.OIDC_ISSUER = server.url
    settings.OIDC_GROUPS_CLAIM = "groups"
    settings.OIDC_RP_SIGN_ALGO = "RS256"
    settings.OIDC_RP_SCOPES = "openid email profile"
    settings.OIDC_USE_PKCE = True
    settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{server.url}/authorize"
    settings.OIDC_OP_TOKEN_ENDPOINT = f"{server.url}/token"
    settings.OIDC_OP_USER_ENDPOINT = f"{server.url}/userinfo"
    settings.OIDC_OP_JWKS_ENDPOINT = f"{server.url}/jwks"
    settings.LOGIN_REDIRECT_URL_FAILURE = "/login/"
    yield server
    server.shutdown()
    server.server_close()


def come_in(visitor: Visitor, idp: Idp) -> Any:
    """From our log-in to the provider and back, as a browser goes."""
    sent = parse_qs(urlsplit(visitor.get("/oidc/authenticate/?next=/preferences/").url).query)
    idp.nonce = sent["nonce"][0]
    return visitor.get("/oidc/callback/", {"code": "c", "state": sent["state"][0]})


def test_who_is_known_comes_in_by_e_mail_with_the_groups_that_the_provider_says(idp):
    make_group("Leads")
    user = ana()
    idp.person["groups"] = ["Leads", "A group that isn't here"]
    visitor = Visitor()

    answer = come_in(visitor, idp)

    assert (answer.status_code, answer.url) == (302, "/preferences/")
    assert visitor.get("/preferences/").wsgi_request.user == user
    assert [group.name for group in user.groups.all()] == ["Leads"]
    assert "code_verifier" in idp.asked


def test_who_is_new_is_taken_in(idp):
    make_group("Support")
    idp.person["email"] = "Noor@Example.org"
    come_in(Visitor(), idp)
    user = User.objects.get()
    assert (user.username, user.first_name, user.has_usable_password()) == ("noor@example.org", "Ana", False)
    assert [group.name for group in user.groups.all()] == ["Support"]


def test_admins_are_superusers_for_as_long_as_the_provider_says_so(idp):
    make_group("Admins")
    for groups, expected in ((["Admins"], True), ([], False)):
        idp.person["groups"] = groups
        come_in(Visitor(), idp)
        assert User.objects.get().is_superuser is User.objects.get().is_staff is expected


def test_the_provider_asks_for_the_second_factor_not_we(idp, settings):
    settings.REQUIRE_OTP = True
    visitor = Visitor()
    come_in(visitor, idp)
    assert visitor.get("/preferences/").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another client"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"exp": int(time.time()) - 10},
        {"exp": None},
        {"nonce": "another"},
    ],
    ids=" ".join,
)
def test_a_token_for_somebody_else_or_from_somebody_else_lets_nobody_in(idp, claims):
    idp.claims = claims
    visitor = Visitor(raise_request_exception=False)
    come_in(visitor, idp)
    assert "_auth_user_id" not in visitor.session
    assert not User.objects.exists()


def test_a_token_that_another_key_signed_lets_nobody_in(idp):
    idp.signed_by = RSAKey.generate_key(2048, {"kid": "k"})
    visitor = Visitor(raise_request_exception=False)
    come_in(visitor, idp)
    assert not User.objects.exists()


@pytest.mark.parametrize("person", [{"email_verified": False}, {"email_verified": None}, {"email": ""}])
def test_without_a_verified_e_mail_nobody_comes_in(idp, person):
    idp.person.update(person)
    visitor = Visitor()
    assert come_in(visitor, idp).url == "/login/"
    assert "_auth_user_id" not in visitor.session


def test_the_log_in_page_offers_it(idp):
    assert b"/oidc/authenticate/?next=/log/" in Visitor().get("/login/?next=/log/").content
