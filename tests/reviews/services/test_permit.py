"""Permits are issued for what may run, and used once."""

import base64
import json
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from policies.domain.vocabulary import Reversibility
from policies.services.stop import pause, resume
from reviews.domain.vocabulary import EventKind, Scope
from reviews.models import Client, Event, Permit, new_id
from reviews.services.ask import UnknownDecision
from reviews.services.permit import (
    AlreadyRedeemed,
    AnotherPayload,
    NoExecutor,
    NotSettled,
    Paused,
    PermitOver,
    UnknownPermit,
    issue_permit,
    published_keys,
    redeem_permit,
)
from reviews.services.report import NothingMayRun
from reviews.services.settle import cancel_decision
from reviews.services.signing import KeyFileMissing, rotate_key_file
from tests.factories import (
    NOW,
    ana,
    gate_of,
    later,
    make_action,
    make_client,
    make_live_policy,
    make_workflow,
    omar,
    submit_one,
)
from tests.reviewing import decide

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("permit_key")]


@pytest.fixture
def executor(db) -> Client:
    return make_client("Executor", scopes=[Scope.PERMITS_REDEEM])[0]


@pytest.fixture
def approved(executor):
    make_live_policy()
    return submit_one(confidence=0.95)


def issue(decision, *, audience="Executor", now=NOW, client=None):
    return issue_permit(decision.pk, client=client or decision.client, audience=audience, now=now)


def redeem(permit, *, now=NOW, client=None, act_sha256=None):
    return redeem_permit(
        permit.jti,
        client=client or permit.audience,
        act_sha256=act_sha256 or permit.outcome.payload_sha256,
        now=now,
    )


def claims_of(token):
    keys = KeySet.import_key_set({"keys": published_keys(now=NOW)})
    return jwt.decode(token, keys, algorithms=["Ed25519"]).claims


def header_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


# ---- Issue ----------------------------------------------------------------------------------------------------------


def test_a_permit_says_what_may_run_and_who_may_run_it(approved, settings):
    permit, token = issue(approved)

    assert header_of(token) == {"alg": "Ed25519", "typ": "countersign-permit+jwt", "kid": permit.key_id}
    claims = claims_of(token)
    assert claims["iss"] == settings.PUBLIC_URL
    assert (claims["aud"], claims["sub"], claims["jti"]) == ("Executor", str(approved.pk), str(permit.jti))
    assert (claims["act"], claims["act_sha256"]) == (approved.action, approved.payload_sha256)
    assert (claims["outcome"], claims["redeem"]) == ("approved", False)
    assert claims["policy"] == approved.policy_version.digest
    assert claims["exp"] - claims["iat"] == 120
    assert permit.expires_at.timestamp() == claims["exp"]


def test_it_is_in_the_log_without_its_signature(approved):
    permit, token = issue(approved)

    event = Event.objects.get(kind=EventKind.PERMIT_ISSUED)
    body = json.loads(event.body)
    assert event.client == event.decision.client == approved.client
    assert (body["permit"], body["act_sha256"]) == (str(permit.jti), approved.payload_sha256)
    assert token.split(".")[2] not in event.body


def test_what_a_person_changed_is_what_may_run(executor):
    make_live_policy()
    decision = submit_one()
    payload = {**decision.payload, "amount": "10.00"}
    decide(gate_of(decision), ana(), "edit", payload=payload)

    permit, token = issue(decision, now=later(minutes=1))

    claims = claims_of(token)
    assert claims["outcome"] == "edited"
    assert claims["act_sha256"] == permit.outcome.payload_sha256 != decision.payload_sha256


@pytest.mark.parametrize("reversibility", Reversibility)
def test_what_is_not_plainly_reversible_must_be_redeemed(executor, reversibility):
    make_action(make_workflow(), reversibility=reversibility)
    make_live_policy(autonomy="never", least_confidence=None)
    decision = submit_one()
    decide(gate_of(decision), ana())

    permit, token = issue(decision, now=later(minutes=1))

    assert permit.must_redeem == claims_of(token)["redeem"] == (reversibility not in ("read_only", "reversible"))


def test_before_it_is_settled_there_is_none(executor):
    make_live_policy()
    decision = submit_one()
    with pytest.raises(NotSettled):
        issue(decision)
    decide(gate_of(decision), ana())
    with pytest.raises(NotSettled):  # Within the hold it can be undone.
        issue(decision, now=later(seconds=3))
    assert issue(decision, now=later(minutes=1)).permit.outcome.kind == "approved"


def test_for_what_must_not_run_there_is_none(executor):
    make_live_policy()
    rejected, cancelled = submit_one(), submit_one()
    decide(gate_of(rejected), ana(), "reject")
    cancel_decision(cancelled.pk, client=cancelled.client, reason="", now=NOW)
    for decision in (rejected, cancelled):
        with pytest.raises(NothingMayRun):
            issue(decision, now=later(minutes=1))
    assert not Permit.objects.exists()


def test_other_clients_decisions_are_not_there(approved, executor):
    other, _ = make_client("Another agent")
    for client in (other, executor):
        with pytest.raises(UnknownDecision):
            issue(approved, client=client)


@pytest.mark.parametrize(
    "change",
    [
        lambda executor: Client.objects.filter(pk=executor.pk).update(active=False),
        lambda executor: Client.objects.filter(pk=executor.pk).update(scopes=[Scope.PERMITS_ISSUE]),
        lambda executor: Client.objects.filter(pk=executor.pk).update(name="Somebody else"),
        lambda executor: executor.workflows.clear(),
    ],
    ids=["idle", "without the scope", "of another name", "not in the workflow"],
)
def test_who_may_not_act_is_no_audience_and_redeems_nothing(approved, executor, change):
    permit, _ = issue(approved)
    change(executor)
    with pytest.raises(NoExecutor):
        issue(approved)
    if Client.objects.filter(name="Executor").exists():
        with pytest.raises(UnknownPermit):
            redeem(permit)


def test_who_proposes_does_not_permit_itself(approved):
    Client.objects.filter(pk=approved.client_id).update(scopes=list(Scope))
    with pytest.raises(NoExecutor):
        issue(approved, audience=approved.client.name)


def test_without_a_key_nothing_is_issued_and_nothing_written(approved, settings, tmp_path):
    settings.PERMIT_KEY_FILE = tmp_path / "nowhere.json"
    with pytest.raises(KeyFileMissing):
        issue(approved)
    assert not Permit.objects.exists()


# ---- Redeem ---------------------------------------------------------------------------------------------------------


def test_a_permit_is_used_once_and_no_other_is_issued(approved):
    first, second = issue(approved).permit, issue(approved).permit

    redemption = redeem(first)

    assert (redemption.decision, redemption.permit) == (approved, first)
    assert Event.objects.filter(kind=EventKind.PERMIT_REDEEMED).count() == 1
    for permit in (first, second):
        with pytest.raises(AlreadyRedeemed) as refusal:
            redeem(permit)
        assert refusal.value.permit == first.jti
    with pytest.raises(AlreadyRedeemed):
        issue(approved)
    assert Permit.objects.count() == 2


def test_only_its_audience_redeems_it(approved):
    permit, _ = issue(approved)
    other, _ = make_client("Another executor", scopes=[Scope.PERMITS_REDEEM])
    for client in (other, approved.client):
        with pytest.raises(UnknownPermit):
            redeem(permit, client=client)
    with pytest.raises(UnknownPermit):
        redeem_permit(new_id(), client=permit.audience, act_sha256="0" * 64, now=NOW)


def test_it_holds_for_two_minutes_and_no_second_longer(approved):
    permit, _ = issue(approved)
    with pytest.raises(PermitOver):
        redeem(permit, now=NOW + timedelta(seconds=120))
    assert redeem(permit, now=NOW + timedelta(seconds=119))


def test_another_payload_than_the_one_that_may_run_is_refused_and_uses_up_nothing(approved):
    permit, _ = issue(approved)
    with pytest.raises(AnotherPayload):
        redeem(permit, act_sha256="0" * 64)
    assert redeem(permit)


# ---- The stop -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [True, False], ids=["everything", "the workflow"])
def test_a_stop_stops_permits_too(approved, everything):
    stopped = None if everything else approved.workflow
    permit, _ = issue(approved)
    pause(stopped, actor=omar(), reason="Odd refunds.", now=NOW)
    with pytest.raises(Paused):
        issue(approved)
    with pytest.raises(Paused):
        redeem(permit)
    resume(stopped, actor=omar(), reason="Looked at.", now=NOW)
    assert redeem(permit)


# ---- Keys -----------------------------------------------------------------------------------------------------------


def test_the_key_before_is_published_until_its_permits_are_over(approved, permit_key):
    _, token = issue(approved)
    rotate_key_file(permit_key, now=NOW)
    _, newer = issue(approved)

    assert header_of(token)["kid"] != header_of(newer)["kid"]
    assert claims_of(token)["sub"] == claims_of(newer)["sub"]
    assert [key["kid"] for key in published_keys(now=later(minutes=9))] == [
        header_of(each)["kid"] for each in (newer, token)
    ]
    assert [key["kid"] for key in published_keys(now=later(minutes=11))] == [header_of(newer)["kid"]]


def test_no_private_half_is_published(permit_key):
    rotate_key_file(permit_key, now=NOW)
    keys = published_keys(now=NOW)
    assert len(keys) == 2
    assert all("d" not in key for key in keys)
