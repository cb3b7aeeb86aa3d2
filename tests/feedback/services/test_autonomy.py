"""Autonomy is taken back when what it rests on fails, at once, and in nothing but its own row."""

import uuid
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from feedback.domain.vocabulary import AlarmKind, CertificateMethod
from feedback.models import Alarm, Certificate
from feedback.services import acknowledge_alarm, assess_autonomy
from policies.domain.vocabulary import Autonomy, VersionCause
from policies.models import PolicyVersion
from policies.queries import live_policy
from reviews.domain.vocabulary import EventKind
from reviews.models import Event, Heartbeat
from tests.factories import NOW, later, make_action, make_live_policy, make_workflow, omar, submit_one
from tests.feedback.labelled import make_labels
from tests.feedback.streams import EXPECTED, stream

pytestmark = pytest.mark.django_db
CLEAN = np.zeros(400, dtype=bool)


def autonomy_of(action: str = "", model: str = "", version: str = "") -> str:
    policy = live_policy(make_workflow().pk)
    return next(row.autonomy for row in policy.thresholds if row.key == (action, model, version))


def reason_codes(**changes) -> list[str]:
    decision = submit_one(confidence=0.99, now=later(hours=2), **changes)
    return [reason["code"] for reason in decision.reasons]


# --- What the labels say ---------------------------------------------------------------------------------------------


def test_the_default_row_is_withdrawn_by_itself_soon_after_a_worse_release_and_not_before():
    make_live_policy(audit_rate=Decimal(1))
    given, change_at = stream("support_drift"), EXPECTED["drift"]["change_at"]
    alarm_at = EXPECTED["drift"]["p0_upper95_shiryaev_roberts_arl50000_alarm_at"]

    def arrive(begin: int, end: int) -> None:
        stretch = slice(begin, end)
        make_labels(
            given.error[stretch],
            confidence=given.confidence[stretch],
            model=("support-router", "1.0" if begin < change_at - 1 else "1.1"),
            since=NOW + timedelta(seconds=begin),
        )
        assess_autonomy(now=later(hours=1, minutes=end))

    for begin in range(0, change_at - 1, 500):
        arrive(begin, begin + 500)
        assert autonomy_of() == Autonomy.BY_CONFIDENCE
    arrive(change_at - 1, alarm_at - 1)
    assert autonomy_of() == Autonomy.BY_CONFIDENCE
    arrive(alarm_at - 1, alarm_at)
    assert autonomy_of() == Autonomy.WITHDRAWN
    version = PolicyVersion.objects.of(make_workflow()).live().get()
    assert version.cause == VersionCause.WITHDRAWAL
    alarm = Alarm.objects.get()
    assert alarm.kind == AlarmKind.DRIFT
    assert f"the watch fired at label {alarm_at}" in alarm.message
    assert Event.objects.filter(kind=EventKind.ALARM_RAISED).count() == 1
    assert "autonomy_withdrawn" in reason_codes()


def test_under_a_row_that_names_one_release_the_next_goes_to_people_from_its_first_decision():
    make_live_policy(thresholds=[{"model_name": "support-router", "model_version": "1.0"}])
    model = {"name": "support-router", "version": "1.0"}
    assert submit_one(confidence=0.95, model=model).route == "auto"
    first = submit_one(confidence=0.99, model={**model, "version": "1.1"})
    assert first.route == "review"
    assert "unproven_model" in [reason["code"] for reason in first.reasons]


def test_audits_that_refute_the_claimed_error_rate_withdraw_the_row():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    error = CLEAN.copy()
    error[::10] = True
    make_labels(error, probability=0.02)
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.WITHDRAWN
    assert "40 of 400 decisions that ran alone and were checked were wrong" in Alarm.objects.get().message


def test_errors_among_what_people_decided_anyway_refute_no_claim_about_what_ran_alone():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    make_labels(CLEAN)
    make_labels(np.ones(100, dtype=bool), confidence=0.5, since=later(minutes=10))
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.BY_CONFIDENCE


def test_labels_that_nobody_drew_at_random_refute_nothing():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    make_labels(np.ones(100, dtype=bool), flagged=False)
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.BY_CONFIDENCE


def test_a_claim_that_holds_stays_certified_however_often_it_is_assessed():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    error = CLEAN.copy()
    error[[50, 200]] = True
    for minute in range(5):
        make_labels(error[minute * 80 : (minute + 1) * 80], since=later(minutes=2 * minute))
        assert assess_autonomy(now=later(hours=1, minutes=minute)) == ()
    assert not Alarm.objects.exists()


def test_only_the_row_whose_evidence_failed_is_withdrawn():
    for action in ("refund_fee", "trace_top_up"):
        make_action(make_workflow(), action)
    claim = {"alpha": Decimal("0.02"), "delta": Decimal("0.05")}
    make_live_policy(thresholds=[{"action": "refund_fee", **claim}, {"action": "trace_top_up", **claim}])
    make_labels(np.arange(200) % 5 == 0)
    make_labels(CLEAN, action="trace_top_up")
    assess_autonomy(now=later(hours=1))
    assert autonomy_of("refund_fee") == Autonomy.WITHDRAWN
    assert autonomy_of("trace_top_up") == Autonomy.BY_CONFIDENCE


def test_labels_from_before_the_row_stood_as_it_does_say_nothing_of_it():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"), now=NOW - timedelta(days=30))
    make_labels(np.ones(60, dtype=bool), since=NOW - timedelta(days=20))
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"), least_confidence=Decimal("0.9"))
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.BY_CONFIDENCE


def test_a_new_budget_does_not_make_the_evidence_begin_anew():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"), now=NOW - timedelta(days=30))
    make_labels(np.ones(60, dtype=bool), since=NOW - timedelta(days=20))
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"), daily_count=100)
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.WITHDRAWN


def test_such_an_alarm_stays_until_somebody_says_what_they_make_of_it():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    make_labels(np.arange(400) % 10 == 0, probability=0.02)
    assess_autonomy(now=later(hours=1))
    assess_autonomy(now=later(days=200))
    alarm = Alarm.objects.get(kind=AlarmKind.AUDIT_ERRORS)
    assert alarm.over_at is None, "nothing but a person ends it"
    acknowledge_alarm(alarm, user=omar(), note="The model is taken out.", now=later(days=201))
    alarm.refresh_from_db()
    assert (alarm.over_at, alarm.over_because) == (later(days=201), "It was acknowledged.")


def test_such_an_alarm_ends_when_a_person_publishes_what_holds_instead():
    make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"))
    make_labels(np.arange(400) % 10 == 0, probability=0.02)
    assess_autonomy(now=later(hours=1))
    version = make_live_policy(autonomy=Autonomy.NEVER, least_confidence=None, now=later(hours=3))
    assess_autonomy(now=later(hours=4))
    alarm = Alarm.objects.get(kind=AlarmKind.AUDIT_ERRORS)
    assert alarm.over_because == f"Version {version.number} says anew what may run alone."
    assert Event.objects.filter(kind=EventKind.ALARM_ENDED).count() == 1


def test_a_row_that_is_withdrawn_again_raises_an_alarm_again():
    for hours in (0, 10):
        make_live_policy(alpha=Decimal("0.02"), delta=Decimal("0.05"), now=later(hours=hours))
        make_labels(np.arange(400) % 10 == 0, probability=0.02, since=later(hours=hours))
        assess_autonomy(now=later(hours=hours + 1))
    assert Alarm.objects.filter(kind=AlarmKind.AUDIT_ERRORS).count() == 2


# --- What the basis says ---------------------------------------------------------------------------------------------


def certificate(**changes) -> Certificate:
    fields = {
        "workflow": make_workflow(),
        "method": CertificateMethod.MULTI_START,
        "alpha": 0.02,
        "delta": 0.05,
        "n": 400,
        "errors": 1,
        "bound": 0.012,
        "threshold": 0.9,
        "data_digest": "sha256:" + "1" * 64,
        "digest": "sha256:" + "2" * 64,
        "issued_at": NOW,
        "expires_at": later(days=90),
        **changes,
    }
    return Certificate.objects.create(**fields)


def on(basis: Certificate, **changes) -> dict:
    row = {"certificate_id": str(basis.pk), "certificate_digest": basis.digest, "basis_reason": ""}
    return {**row, "basis_holds_until": basis.expires_at, **changes}


@pytest.mark.parametrize(("days", "autonomy"), [(89, "by_confidence"), (96, "by_confidence"), (97, "withdrawn")])
def test_an_expired_certificate_is_withdrawn_when_its_grace_is_over(days, autonomy):
    basis = certificate()
    make_live_policy(**on(basis))
    assess_autonomy(now=later(days=days, minutes=1))
    assert autonomy_of() == autonomy
    basis.refresh_from_db()
    assert (basis.withdrawn_at is None) == (autonomy == "by_confidence")


def test_between_its_end_and_its_withdrawal_nothing_runs_by_it_all_the_same():
    make_live_policy(basis_holds_until=later(hours=1))
    assess_autonomy(now=later(hours=2))
    assert reason_codes() == ["evidence_expired"]


@pytest.mark.parametrize(
    "changes",
    [
        {"certificate_id": str(uuid.uuid4())},
        {"certificate_id": "not a certificate"},
        {"certificate_digest": "sha256:" + "9" * 64},
    ],
)
def test_a_certificate_that_was_never_issued_carries_nothing(changes):
    make_live_policy(**on(certificate(), **changes))
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.WITHDRAWN


def test_a_certificate_of_another_workflow_carries_nothing():
    make_live_policy(**on(certificate(workflow=make_workflow("posts"))))
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.WITHDRAWN


def test_a_withdrawn_certificate_takes_its_row_with_it():
    make_live_policy(**on(certificate(withdrawn_at=NOW, withdrawn_reason="Errors have risen.")))
    assess_autonomy(now=later(hours=1))
    assert autonomy_of() == Autonomy.WITHDRAWN
    assert "Errors have risen." in Alarm.objects.get().message


# --- The heartbeat ---------------------------------------------------------------------------------------------------


def test_an_assessment_is_what_keeps_automatic_approvals_going():
    make_live_policy(monitored=False)
    assert reason_codes() == ["unmonitored"]
    assess_autonomy(now=later(hours=2))
    assert Heartbeat.objects.get(name="evidence:support").beat_at == later(hours=2)
    assert reason_codes() == []


def test_a_workflow_that_cant_be_assessed_is_left_to_people_and_holds_up_no_other():
    make_live_policy(monitored=False)
    make_live_policy(make_workflow("broken"), monitored=False)
    Heartbeat.objects.create(name="evidence:broken", beat_at=NOW, detail=["not", "a", "record"])
    assess_autonomy(now=later(hours=2))
    assert Heartbeat.objects.get(name="evidence:support").beat_at == later(hours=2)
    assert Heartbeat.objects.get(name="evidence:broken").beat_at == NOW


def test_with_nothing_new_an_assessment_reads_no_labels(django_assert_max_num_queries):
    make_live_policy(alpha=Decimal("0.02"))
    make_labels(CLEAN)
    assess_autonomy(now=later(hours=1))
    with django_assert_max_num_queries(8):
        assess_autonomy(now=later(hours=1, minutes=1))
    assert Heartbeat.objects.get(name="evidence:support").beat_at == later(hours=1, minutes=1)
