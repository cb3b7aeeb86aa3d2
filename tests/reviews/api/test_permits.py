"""Permits over HTTP: fetched by who proposes, checked and redeemed by who executes."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from clients.python.verify_permit import NotPermitted, verify_permit
from policies.services.stop import pause
from reviews.domain.vocabulary import Scope
from reviews.models import Execution, Permit
from tests.factories import ana, gate_of, make_client, omar, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, pointers, problem

NEVER = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def executor(support) -> Caller:
    return Caller(key=make_client("Executor", scopes=[Scope.PERMITS_REDEEM], now=timezone.now())[1])


@pytest.fixture
def approved(agents_client, executor):
    return submit_one(client=agents_client, now=timezone.now(), confidence=0.95)


def fetched(agent, decision):
    response = agent.post(f"decisions/{decision.id}/permit", {"audience": "Executor"})
    assert response.status_code == 201, response.content
    return response.json()


def redeemed(executor, permit, decision):
    return executor.post(f"permits/{permit['jti']}/redeem", {"act_sha256": decision.payload_sha256})


def verify(permit, decision, client, settings):
    return verify_permit(
        permit["permit"],
        jwks=client.get("/.well-known/jwks.json").json(),
        issuer=settings.PUBLIC_URL,
        audience="Executor",
        action=decision.action,
        payload=decision.payload,
    )


def test_from_the_verdict_to_the_execution(agent, executor, agents_client, client, settings):
    decision = submit_one(client=agents_client, now=timezone.now() - timedelta(minutes=1))
    decide(gate_of(decision), ana(), now=timezone.now() - timedelta(minutes=1))

    permit = fetched(agent, decision)
    claims = verify(permit, decision, client, settings)
    assert (claims["jti"], claims["sub"], claims["outcome"]) == (permit["jti"], str(decision.id), "approved")
    assert redeemed(executor, permit, decision).json()["decision"] == str(decision.id)
    reported = executor.post(f"decisions/{decision.id}/execution", {"status": "succeeded"})

    assert reported.status_code == 201
    assert Execution.objects.get().client.name == "Executor"


def test_a_permit_is_used_once(agent, executor, approved):
    permit, another = fetched(agent, approved), fetched(agent, approved)
    assert redeemed(executor, permit, approved).status_code == 200

    for each in (permit, another):
        body = problem(redeemed(executor, each, approved), 409, "already_redeemed")
        assert body["permit"] == permit["jti"]
    problem(agent.post(f"decisions/{approved.id}/permit", {"audience": "Executor"}), 409, "already_redeemed")


def test_a_changed_payload_neither_verifies_nor_is_redeemed(agent, executor, approved, client, settings):
    permit = fetched(agent, approved)
    approved.payload["amount"] = "1200.00"
    with pytest.raises(NotPermitted):
        verify(permit, approved, client, settings)
    response = executor.post(f"permits/{permit['jti']}/redeem", {"act_sha256": "0" * 64})
    problem(response, 409, "another_payload")


def test_a_permit_that_is_over_is_not_redeemed(agent, executor, approved, agents_client):
    audience = Permit.objects.get(jti=fetched(agent, approved)["jti"]).audience
    old = Permit.objects.create(
        outcome=approved.outcome,
        audience=audience,
        must_redeem=False,
        key_id="k",
        issued_at=timezone.now() - timedelta(seconds=130),
        expires_at=timezone.now() - timedelta(seconds=10),
    )
    problem(redeemed(executor, {"jti": old.jti}, approved), 409, "permit_over")


def test_before_the_outcome_and_for_a_rejection_there_is_none(agent, executor, agents_client):
    earlier = timezone.now() - timedelta(minutes=1)
    waiting, rejected = (submit_one(client=agents_client, now=earlier) for _ in range(2))
    decide(gate_of(rejected), ana(), "reject", now=earlier)

    problem(agent.post(f"decisions/{waiting.id}/permit", {"audience": "Executor"}), 409, "not_settled")
    problem(agent.post(f"decisions/{rejected.id}/permit", {"audience": "Executor"}), 409, "nothing_may_run")


def test_a_stop_stops_issue_and_redemption(agent, executor, approved):
    permit = fetched(agent, approved)
    pause(approved.workflow, actor=omar(), reason="Odd refunds.", now=timezone.now())

    problem(agent.post(f"decisions/{approved.id}/permit", {"audience": "Executor"}), 409, "paused")
    problem(redeemed(executor, permit, approved), 409, "paused")


def test_nobody_fetches_for_others_and_none_redeems_for_others(agent, other_agent, executor, approved):
    problem(other_agent.post(f"decisions/{approved.id}/permit", {"audience": "Executor"}), 404)
    problem(agent.post(f"decisions/{NEVER}/permit", {"audience": "Executor"}), 404)
    permit = fetched(agent, approved)
    rival = Caller(key=make_client("Rival", scopes=[Scope.PERMITS_REDEEM], now=timezone.now())[1])
    problem(redeemed(rival, permit, approved), 404)
    problem(redeemed(executor, {"jti": NEVER}, approved), 404)
    problem(rival.post(f"decisions/{approved.id}/execution", {"status": "succeeded"}), 404)


@pytest.mark.parametrize("audience", ["Nobody", "Support agent", "executor", "", None, 7, ["Executor"], "x" * 121])
def test_who_is_no_executor_is_no_audience(agent, executor, approved, audience):
    response = agent.post(f"decisions/{approved.id}/permit", {"audience": audience})
    assert pointers(problem(response, 422, "invalid")) == ["/audience"]


@pytest.mark.parametrize("act_sha256", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, None, 7])
def test_a_hash_that_is_none_is_refused(agent, executor, approved, act_sha256):
    permit = fetched(agent, approved)
    response = executor.post(f"permits/{permit['jti']}/redeem", {"act_sha256": act_sha256})
    assert set(pointers(problem(response, 422, "invalid"))) == {"/act_sha256"}


def test_without_a_key_it_is_ours_to_put_right(agent, approved, permit_key):
    permit_key.unlink()
    problem(agent.post(f"decisions/{approved.id}/permit", {"audience": "Executor"}), 503, "no_signing_key")


def test_the_keys_are_anybodys_to_read_and_rotate_with_overlap(agent, approved, client, settings, capsys):
    before = fetched(agent, approved)
    call_command("rotate_permit_key")
    after = fetched(agent, approved)

    response = client.get("/.well-known/jwks.json")

    assert response["Content-Type"] == "application/jwk-set+json"
    assert len(response.json()["keys"]) == 2
    assert not any("d" in key for key in response.json()["keys"])
    for permit in (before, after):
        assert verify(permit, approved, client, settings)
    assert settings.PERMIT_KEY_FILE.stat().st_mode & 0o777 == 0o600


def test_the_command_makes_the_first_key(settings, tmp_path, capsys):
    settings.PERMIT_KEY_FILE = tmp_path / "new" / "permits.json"
    call_command("rotate_permit_key")
    assert str(settings.PERMIT_KEY_FILE) in capsys.readouterr().out
