"""POST /api/v1/pause and /resume, and /api/v1/workflows/{key}/pause and /resume."""

import pytest

from policies.models import PolicyChange, Switch
from tests.factories import ada, ana, eve, ines, make_workflow, omar, proposal_body
from tests.reviews.api.calling import Caller, pointers, problem

PATHS = ["pause", "resume", "workflows/support/pause", "workflows/support/resume"]


def test_a_lead_stops_everything_and_lifts_the_stop(agent):
    paused = Caller(user=omar()).post("pause", {"reason": "Refunds look odd."})

    assert paused.status_code == 200
    assert paused.json().items() >= {"workflow": None, "paused": True, "reason": "Refunds look odd."}.items()
    assert agent.post("decisions", proposal_body(confidence=0.95)).json()["route"] == "review"

    resumed = Caller(user=omar()).post("resume", {"reason": "They were right."}).json()
    assert resumed["paused"] is False
    assert agent.post("decisions", proposal_body(confidence=0.95)).json()["route"] == "auto"
    assert PolicyChange.objects.filter(actor=omar()).count() == 2


def test_an_admin_stops_one_workflow(agent, support):
    assert Caller(user=ada()).post("workflows/support/pause", {"reason": "A leak."}).json()["workflow"] == "support"

    answer = agent.post("decisions", proposal_body(confidence=0.95)).json()

    assert [reason["code"] for reason in answer["reasons"]] == ["paused"]
    assert not Switch.objects.get().paused


def test_what_stands_so_already_is_a_conflict(support):
    body = problem(Caller(user=omar()).post("resume", {"reason": "To be sure."}), 409, "already_so")

    assert "running already" in body["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_a_reason_is_needed(support, path):
    for reason in (None, "", "  ", 5, True, ["x"], "x" * 10_001, "a\x00b"):
        assert pointers(problem(Caller(user=omar()).post(path, {"reason": reason}), 422)) == ["/reason"]
    assert pointers(problem(Caller(user=omar()).post(path, {}), 422)) == ["/reason"]
    assert pointers(problem(Caller(user=omar()).post(path, []), 422)) == [""]
    assert pointers(problem(Caller(user=omar()).post(path, {"reason": "ok", "colour": 1}), 422)) == ["/colour"]
    assert not PolicyChange.objects.exists()


@pytest.mark.parametrize("path", PATHS)
def test_only_leads_and_admins_stop_anything(agent, path):
    problem(Caller().post(path, {"reason": "Because."}), 401)
    problem(agent.post(path, {"reason": "Because."}), 403)
    for person in (ana(), ines(), eve()):
        problem(Caller(user=person).post(path, {"reason": "Because."}), 403)


def test_a_workflow_that_is_not_there_is_not_stopped(support):
    make_workflow("refunds")

    problem(Caller(user=omar()).post("workflows/nowhere/pause", {"reason": "Because."}), 404)
    problem(Caller(user=omar()).post("workflows/%00/pause", {"reason": "Because."}), 404)
    assert Caller(user=omar()).post("workflows/refunds/pause", {"reason": "Because."}).status_code == 200
