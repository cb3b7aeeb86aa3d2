"""What people send to break a parser: never a 5xx, and every refusal a problem that says what is wrong."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from django.utils import timezone

from reviews.models import Decision
from tests.factories import ana, gate_of, submit_one
from tests.policies.domain.json_cases import CASES, NAUGHTY
from tests.reviews.api.calling import Caller, problem
from tests.reviews.api.hostile import CORPUS, TEXTS, body
from tests.reviews.api.test_matrix import CALLERS, TABLE, Row, set_up, speaking


def told(response: Any) -> int:
    """The status, once it is certain that a refusal is a problem which says what is wrong."""
    status: int = response.status_code
    assert status < 500, response.content
    if status >= 400:
        said = problem(response, status)
        if status in (400, 422):
            assert said["errors"]
            assert all(error["detail"] for error in said["errors"])
    return status


def test_there_are_enough_of_them():
    assert sum(len(list(each())) for each in CORPUS.values()) > 1_000


@pytest.mark.parametrize("name", CORPUS)
def test_a_submission_is_taken_or_refused_and_breaks_nothing(agent, name):
    found = {told(agent.post("decisions", raw)) for raw in CORPUS[name]()}

    assert found <= {200, 201, 400, 409, 413, 422}
    assert found & {400, 422}


@pytest.mark.parametrize("name", [name for name in CORPUS if name not in ("kinds", "strings")])
def test_a_reviewers_answer_is_refused_and_breaks_nothing(agents_client, name):
    ticket = gate_of(submit_one(client=agents_client, now=timezone.now()))
    reviewer = Caller(user=ana())
    reviewer.post(f"tickets/{ticket.id}/claim")

    # One parser reads both; every third body shows that it is asked here too.
    some = islice(CORPUS[name](), 0, None, 3)
    found = {told(reviewer.post(f"tickets/{ticket.id}/verdict", raw, If_Match='"2"')) for raw in some}

    assert found <= {400, 413, 422}


@pytest.mark.parametrize("name", CORPUS)
def test_a_line_of_a_batch_is_kept_whatever_it_is(agent, name):
    raw = b"\n".join(each.replace(b"\n", b" ") for each in CORPUS[name]() if len(each) < 100_000)

    response = agent.call("POST", "decisions/batch", raw, content_type="application/x-ndjson")

    assert told(response) == 202


@pytest.mark.parametrize("text", TEXTS)
def test_strange_but_honest_text_is_kept_as_it_came(agent, text):
    sent = body(
        reasoning=text,
        payload={"message": text, text: 1},
        context={text: [text]},
        subject={"type": "t", "id": text[:99]},
    )

    answer = agent.post("decisions", sent)

    assert answer.status_code == 201
    kept = Decision.objects.get()
    assert (kept.reasoning, kept.payload, kept.context) == (text, sent["payload"], sent["context"])
    assert kept.subject_id == text[:99]


# ---- Everywhere else ------------------------------------------------------------------------------------------------

POSTS = [row for row in TABLE if row.address.startswith("POST ")]
BODIES_EACH = 40
STRANGE_HEADERS = ("", "*", 'W/"2"', '"99999999999"', "é", "x" * 5_000)
STRANGE_IDS = ("x", "..", "%00", "%ff%2f", "a" * 4_000, "00000000-0000-0000-0000-000000000000")
WRONG = (None, True, 0, -1, 1.5, 2**53 - 1, 1e300, [], {}, [[]], ["x"], {"x": {}}, "x" * 200_000)


def allowed(row: Row) -> str:
    """Who is let in here, so that it is the body which is judged."""
    codes = dict(zip(CALLERS, row.codes.split(), strict=True))
    return next(caller for caller, code in codes.items() if code not in {"401", "403", "404"})


def spoiled(right: Any) -> Iterator[bytes]:
    """What is sent there rightly, with one thing wrong or strange in it at a time; and what is no such thing at all."""
    yield from CASES.values()
    if not isinstance(right, dict):
        return
    for value in (*WRONG, *NAUGHTY):
        yield json.dumps({**right, "unknown": value}).encode()
        for name in right:
            yield json.dumps({**right, name: value}).encode()
    for name in right:
        yield json.dumps({other: value for other, value in right.items() if other != name}).encode()
        yield json.dumps(right).encode().replace(b"{", b'{"%s": 1, ' % name.encode(), 1)
    yield from (json.dumps({**right, text or "x": text}).encode() for text in NAUGHTY)


@pytest.mark.parametrize("row", POSTS, ids=[row.address for row in POSTS])
def test_no_post_breaks_whatever_is_sent(support, row):
    scene = set_up(row)
    caller, path = speaking(allowed(row), scene), row.address.removeprefix("POST ")
    right = row.body(scene)
    bodies = list(spoiled(right))
    # Each address gets another part of them, and a few dozen; a submission has a thousand of its own, above.
    step = max(1, len(bodies) // BODIES_EACH)
    some = islice(bodies, POSTS.index(row) % step, None, step)

    def post(raw: bytes, *, where: str = path, kind: str = row.content_type, **headers: str) -> int:
        return told(caller.call("POST", where.format(**scene.ids), raw, content_type=kind, **headers))

    assert {post(raw, If_Match='"2"') for raw in some} & {202, 400}, "each is parsed, or kept to be parsed"
    raw = right if isinstance(right, bytes) else json.dumps(right).encode()
    for value in STRANGE_HEADERS:
        post(raw, If_Match=value)
        post(raw, Idempotency_Key=value, Prefer=value)
        post(raw, kind=value or "x", Content_Encoding=value)
    if "{" in path:
        for strange in STRANGE_IDS:
            where = path.format(**dict.fromkeys(scene.ids, strange))
            assert post(raw, where=where, If_Match='"2"') in {403, 404, 409, 422}
