"""What a reviewer waits for: the next ticket, the answer to a verdict, the desk, the log and the insights."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from benchmarks.clients import Answer, Client, request
from benchmarks.scene import PASSWORD
from benchmarks.stage import Stage

FORM = "application/x-www-form-urlencoded"
_HIDDEN = re.compile(rb'<input type="hidden" name="(\w+)" value="([^"]*)"')
_TICKET = re.compile(rb"/tickets/([0-9a-f-]{36})/verdict")


@dataclass(slots=True)
class Reviewer:
    """Ana, logged in, with one connection of her browser."""

    client: Client
    cookies: dict[str, str] = field(default_factory=dict)

    def reconnect(self, stage: Stage) -> None:
        self.client.close()
        self.client = Client(stage.port)

    def get(self, path: str, **headers: str) -> tuple[Answer, float]:
        return self._ask("GET", path, b"", **headers)

    def post(self, path: str, form: Mapping[str, str]) -> tuple[Answer, float]:
        return self._ask(
            "POST",
            path,
            urlencode(form).encode(),
            content_type=FORM,
            X_CSRFToken=self.cookies.get("csrftoken", ""),
            HX_Request="true",
        )

    def _ask(self, method: str, path: str, body: bytes, **headers: str) -> tuple[Answer, float]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer, milliseconds = self.client.ask(
            request(method, path, body=body, Cookie=cookies, Origin="http://localhost", **headers)
        )
        for name, value in re.findall(rb"(?im)^set-cookie: *([^=]+)=([^;\r]*)", answer.head):
            self.cookies[name.decode()] = value.decode()
        return answer, milliseconds


def log_in(stage: Stage) -> Reviewer:
    reviewer = Reviewer(Client(stage.port))
    page, _ = reviewer.get("/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert token is not None, page.body[:500]
    form = {"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token[1].decode()}
    answer, _ = reviewer.post("/login/", form)
    if answer.status != 302:
        raise RuntimeError(f"Ana could not log in: {answer.status} {answer.body[:500]!r}")
    return reviewer


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds of each, one after the other."""

    next: Sequence[float]
    verdict: Sequence[float]


def decide(reviewer: Reviewer, *, number: int) -> Waits:
    """So often: take the next ticket, approve it (the answer is the next one), put that back."""
    waits = Waits([], [])
    for at in range(number + 3):
        shown, milliseconds = _expect(reviewer.post("/tickets/next", {}), 200)
        ticket, form = _form_in(shown)
        answer, verdict_ms = _expect(reviewer.post(f"/tickets/{ticket}/verdict", {**form, "kind": "approve"}), 200)
        ticket, form = _form_in(answer)
        reviewer.post(f"/tickets/{ticket}/release", {"claim_epoch": form["claim_epoch"]})
        if at >= 3:  # The first few warm up.
            waits.next.append(milliseconds)  # type: ignore[attr-defined]
            waits.verdict.append(verdict_ms)  # type: ignore[attr-defined]
    return waits


def open_page(reviewer: Reviewer, path: str, *, number: int) -> Sequence[float]:
    """Milliseconds of each time that a page was opened."""
    return [_expect(reviewer.get(path), 200)[1] for _ in range(number + 2)][2:]


def _expect(asked: tuple[Answer, float], status: int) -> tuple[Answer, float]:
    if asked[0].status != status:
        raise RuntimeError(f"{asked[0].status} instead of {status}: {asked[0].body[:800]!r}")
    return asked


def _form_in(shown: Answer) -> tuple[str, dict[str, str]]:
    """The ticket on the page and what its form carries."""
    ticket = _TICKET.search(shown.body)
    if ticket is None:
        raise RuntimeError(f"No ticket to decide on the page: {shown.body[:800]!r}")
    fields = {name.decode(): value.decode() for name, value in _HIDDEN.findall(shown.body)}
    return ticket[1].decode(), fields
