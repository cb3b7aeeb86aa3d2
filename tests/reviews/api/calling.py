"""How the tests call the API: as an upstream system with its key, or as somebody who is logged in."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client as Browser

JSON = "application/json"


class Caller:
    """Speaks JSON to /api/v1; `key` goes behind Bearer, `user` is logged in."""

    def __init__(self, *, key: str = "", user: User | None = None) -> None:
        self._browser = Browser(raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        if user is not None:
            self._browser.force_login(user)

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return self.call("POST", path, raw, **headers)

    def call(
        self, method: str, path: str, raw: bytes = b"", *, content_type: str = JSON, **headers: str
    ) -> HttpResponse:
        """Header names are written with underscores: If_Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._browser.generic(
            method, f"/api/v1/{path}", raw, content_type=content_type, headers={**self._headers, **named}
        )


def problem(response: HttpResponse, status: int, code: str = "") -> dict[str, Any]:
    """The problem that an answer is, checked: its type, its five members, its status, its code if one is given."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    body: dict[str, Any] = json.loads(response.content)
    assert {"type", "title", "status", "detail", "instance"} <= body.keys()
    assert body["status"] == status
    assert body["detail"]
    if code:
        assert body["type"] == f"urn:countersign:problem:{code}"
    return body


def pointers(body: dict[str, Any]) -> list[str]:
    """Where a problem's errors stand."""
    return [error["pointer"] for error in body["errors"]]
