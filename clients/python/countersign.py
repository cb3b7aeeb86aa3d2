"""A client of Countersign's REST API in one file, on the standard library alone: copy it into your project.

countersign = Countersign("https://review.example.org", key="cs_…")
decision = countersign.submit({"external_id": "refund-8841", "workflow": "support", …})
while decision["outcome"] is None:
    decision = countersign.decision(decision["id"], wait=30)
if decision["outcome"]["kind"] in MAY_RUN:  # what runs is the outcome's, not what was submitted
    permit = countersign.permit(decision["id"], audience="payments-executor")["permit"]
    hand_over(permit, decision["outcome"]["action"], decision["outcome"]["payload"])  # to who checks it and acts
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

MAY_RUN = frozenset({"approved", "edited", "overridden"})
"""Kinds of outcome that say that something may run. Whatever else comes, or doesn't: do not act."""


class Refused(Exception):
    """The answer was a problem (RFC 9457): `status`, and the `problem` with its `detail` and `errors`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'no detail'}")
        self.status, self.problem = status, problem


class Countersign:
    """One upstream system, executor or source of truth, by its API key. `timeout` is in seconds."""

    def __init__(self, url: str, *, key: str, timeout: float = 10) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError("url must start with https:// or http://.")
        self._url, self._key, self._timeout = url.rstrip("/"), key, timeout

    def submit(self, decision: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Propose an action. The same again gives the same decision; `replayed` says which it was."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        answer, answered = self._call("POST", "/decisions", decision, headers=headers)
        return {**answer, "replayed": answered.get("Idempotent-Replayed") == "true"}

    def submit_batch(self, lines: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Propose up to 50,000 actions, to be judged in a moment; `intake` in the answer is what to ask for."""
        headers = {"Content-Type": "application/x-ndjson"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return self._call("POST", "/decisions/batch", body, headers=headers)[0]

    def intake(self, intake_id: str, *, after: int = 0) -> dict[str, Any]:
        """How far an intake is, and a page of its lines with what became of each."""
        return self._call("GET", f"/intakes/{quote(intake_id)}?after={after}")[0]

    def decision(self, decision_id: str, *, wait: int = 0) -> dict[str, Any]:
        """A decision as it stands; with `wait`, up to so many seconds later if that is when it settles."""
        query = f"?wait={wait}" if wait else ""
        return self._call("GET", f"/decisions/{quote(decision_id)}{query}", longer=wait)[0]

    def events(self, *, after: str = "", limit: int = 100) -> dict[str, Any]:
        """A page of the feed behind a cursor: `events`, the `cursor` to go on from, and whether there is `more`."""
        return self._call("GET", "/events?" + urlencode({"after": after, "limit": limit}))[0]

    def follow(self, *, after: str = "", every: float = 1) -> Iterator[dict[str, Any]]:
        """Each event from a cursor on, for ever. Keep an event's `cursor` to go on from it after a restart."""
        while True:
            page = self.events(after=after)
            yield from page["events"]
            after = page["cursor"]
            if not page["more"]:
                time.sleep(every)

    def permit(self, decision_id: str, *, audience: str) -> dict[str, Any]:
        """The outcome signed for the executor named `audience`, for two minutes: `permit` is what to hand over."""
        return self._call("POST", f"/decisions/{quote(decision_id)}/permit", {"audience": audience})[0]

    def redeem(self, jti: str, act_sha256: str) -> dict[str, Any]:
        """As the executor: use a permit, once. When this raises anything, do not act."""
        return self._call("POST", f"/permits/{quote(jti)}/redeem", {"act_sha256": act_sha256})[0]

    def tell_execution(self, decision_id: str, *, succeeded: bool, detail: str = "") -> dict[str, Any]:
        """Say what came of the action, as its executor or as who proposed it."""
        body = {"status": "succeeded" if succeeded else "failed", "detail": detail}
        return self._call("POST", f"/decisions/{quote(decision_id)}/execution", body)[0]

    def permit_keys(self) -> dict[str, Any]:
        """The public keys that permits are checked with; ask again when one is signed with a key that isn't there."""
        with urlopen(self._url + "/.well-known/jwks.json", timeout=self._timeout) as response:  # noqa: S310
            keys: dict[str, Any] = json.load(response)
            return keys

    def cancel(self, decision_id: str, *, reason: str) -> dict[str, Any]:
        """Take a proposal back, while it isn't settled."""
        return self._call("POST", f"/decisions/{quote(decision_id)}/cancel", {"reason": reason})[0]

    def answer(self, decision_id: str, text: str, *, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Answer a reviewer's question. It adds context and never changes the proposal."""
        body = {"text": text} if context is None else {"text": text, "context": context}
        return self._call("POST", f"/decisions/{quote(decision_id)}/answer", body)[0]

    def tell_truth(self, decision_id: str, *, right_action: str, detail: str = "") -> dict[str, Any]:
        """Say what turned out to be right."""
        body = {"right_action": right_action, "detail": detail}
        return self._call("POST", f"/decisions/{quote(decision_id)}/truth", body)[0]

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        longer: float = 0,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        sent = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(self._url + "/api/v1" + path, data=data, headers=sent, method=method)  # noqa: S310  checked above
        try:
            with urlopen(request, timeout=self._timeout + longer) as response:  # noqa: S310
                return json.load(response), response.headers
        except HTTPError as error:
            raw = error.read()
            try:
                problem = json.loads(raw)
            except ValueError:
                problem = {"detail": raw[:200].decode(errors="replace")}
            raise Refused(error.code, problem) from None
