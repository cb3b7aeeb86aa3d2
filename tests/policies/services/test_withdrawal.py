import threading

import pytest
from django.db import connection

from policies import queries, services
from policies.models import PolicyChange, PolicyVersion
from tests.factories import NOW, ada
from tests.policies.scene import draft, first_version, row_of, support

pytestmark = pytest.mark.django_db


def withdraw() -> PolicyVersion:
    return services.withdraw_autonomy(
        support(),
        action="refund_fee",
        model_name="",
        model_version="",
        reason="The error rate passed what the basis claims.",
        evidence={"n": 120, "errors": 9},
        now=NOW,
    )


def test_a_withdrawal_changes_one_row_and_nothing_else():
    first = first_version()
    support().actions.update(title="Renamed")
    version = withdraw()
    before, after = queries.document_of(first), queries.document_of(version)
    assert (version.number, version.status, version.cause, version.base) == (2, "live", "withdrawal", first)
    assert before["actions"] == after["actions"]
    assert before["rules"] == after["rules"]
    (changed,) = [(old, new) for old, new in zip(before["thresholds"], after["thresholds"], strict=True) if old != new]
    assert changed[0] | {"autonomy": "withdrawn"} == changed[1]
    assert row_of(version).autonomy == "withdrawn"


def test_it_is_kept_with_its_evidence_and_without_a_person():
    first_version()
    version = withdraw()
    kept = PolicyChange.objects.latest("pk")
    assert (kept.kind, kept.actor, kept.version) == ("withdrawn", None, version)
    assert kept.detail["evidence"] == {"n": 120, "errors": 9}
    assert version.publisher is None


def test_a_draft_that_was_begun_before_is_stale_and_can_be_brought_up_to_date():
    first_version()
    version = draft(least_confidence="0.95")
    withdrawn = withdraw()
    with pytest.raises(services.BaseNotLive):
        services.publish(version, publisher=ada(), reason="Stricter.", now=NOW)
    rebased = services.rebase(version, author=ada(), now=NOW)
    assert (rebased.version.base, rebased.version.number) == (withdrawn, 4)
    assert rebased.conflicts == ("refund_fee: evidence withdrew its autonomy meanwhile, and that stays.",)
    assert row_of(rebased.version).autonomy == "withdrawn"
    assert services.publish(rebased.version, publisher=ada(), reason="Stricter.", now=NOW).number == 4


def test_there_is_nothing_to_withdraw_twice():
    with pytest.raises(services.NothingToWithdraw):
        withdraw()
    first_version()
    withdraw()
    with pytest.raises(services.NothingToWithdraw):
        withdraw()


@pytest.mark.django_db(transaction=True)
def test_of_two_withdrawals_at_once_one_is_made():
    first_version()
    results: list[str] = []

    def tries() -> None:
        try:
            withdraw()
            results.append("withdrawn")
        except services.NothingToWithdraw:
            results.append("nothing")
        connection.close()

    threads = [threading.Thread(target=tries) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["nothing"] * 3 + ["withdrawn"]
    assert PolicyVersion.objects.of(support()).count() == 2
