"""What people send to break a parser: never a 5xx, and every refusal a problem that says what is wrong."""

from itertools import islice
from typing import Any

import pytest
from django.utils import timezone

from reviews.models import Decision
from tests.factories import ana, gate_of, submit_one
from tests.reviews.api.calling import Caller, problem
from tests.reviews.api.hostile import CORPUS, TEXTS, body


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
