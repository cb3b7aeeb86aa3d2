"""Those who take part in a journey, each through the door that is theirs."""

import http.cookiejar
import json
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from clients.python.countersign import Countersign
from tests.product import ROOT, Product, environment_of

LONG_ENOUGH_TO_READ = 0.35  # seconds; a verdict that comes sooner is refused


def upstream_of(product: Product, name: str = "support-router") -> Countersign:
    """An upstream system of the demo, with its key."""
    key = next(client["key"] for client in product.demo["clients"] if client["name"] == name)
    return Countersign(product.url, key=key)


def proposal(**changes: Any) -> dict[str, Any]:
    """A decision like those of the demo's support stream, under an id of its own."""
    return {
        "external_id": f"journey-{uuid.uuid4()}",
        "workflow": "support",
        "action": "refund_fee",
        "subject": {"type": "message", "id": uuid.uuid4().hex},
        "payload": {"text": "Do you charge for topping up?"},
        "confidence": 0.62,
        "reasoning": "Terms that point to this action: topping up, charge.",
        "model": {"name": "support-router", "version": "1.0"},
        **changes,
    }


def settled(upstream: Countersign, decision_id: str, *, within: float = 60) -> dict[str, Any]:
    """The decision once it has an outcome."""
    deadline = time.monotonic() + within
    while (decision := upstream.decision(decision_id, wait=20))["outcome"] is None:
        assert time.monotonic() < deadline, f"not settled in {within} s: {decision['status']}"
    return decision


class Reviewer:
    """A person in a browser session: logs in on the page, and uses the session on the API, as the pages may."""

    def __init__(self, product: Product, username: str) -> None:
        self.base = product.url
        self.cookies = http.cookiejar.CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))
        password = next(user["password"] for user in product.demo["users"] if user["username"] == username)
        self.opener.open(f"{self.base}/login/").read()
        form = {"username": username, "password": password, "csrfmiddlewaretoken": self.csrf}
        self.opener.open(f"{self.base}/login/", urlencode(form).encode()).read()

    @property
    def csrf(self) -> str:
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken"), "")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer, whatever it is."""
        sent = {"X-CSRFToken": self.csrf, "Content-Type": "application/json", **headers}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.base}/api/v1{path}", data=data, headers=sent, method=method)
        try:
            with self.opener.open(request) as response:
                return response.status, json.loads(response.read() or "null")
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def take(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Claim the gate of a decision, and read it."""
        status, ticket = self.call("POST", f"/tickets/{decision['ticket']['id']}/claim", {})
        assert status == 200, ticket
        time.sleep(LONG_ENOUGH_TO_READ)
        return ticket

    def answer(self, ticket: dict[str, Any], kind: str, **more: Any) -> tuple[int, Any]:
        """Give a verdict on what was shown."""
        body = {
            "kind": kind,
            "epoch": ticket["claim"]["epoch"],
            "shown_sha256": ticket["shown_sha256"],
            "request_key": uuid.uuid4().hex,
            "acts": ticket["deliberate_acts"],
            **more,
        }
        return self.call("POST", f"/tickets/{ticket['id']}/verdict", body, **{"If-Match": f'"{ticket["version"]}"'})


class Receiver:
    """An endpoint for webhooks on this machine, which keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quietly."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, decision_id: str, type_: str, *, within: float = 20) -> tuple[dict[str, str], bytes]:
        """Headers and body of the first message of this type about the decision."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for headers, body in self.received:
                message = json.loads(body)
                if message["type"] == type_ and decision_id in body.decode():
                    return headers, body
            time.sleep(0.1)
        raise AssertionError(f"no {type_} of {decision_id} in {within} s; received {len(self.received)}")


def manage(product: Product, *arguments: str) -> str:
    """Run a management command beside the running product."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment_of(product.var_dir),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
