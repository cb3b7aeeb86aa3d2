"""Permits while others use them too, or pull the stop: real threads on the real database."""

import threading
from collections import Counter

import pytest

from reviews.domain.vocabulary import Scope
from reviews.models import Client, Permit, Redemption
from reviews.services.permit import AlreadyRedeemed, Paused, issue_permit, redeem_permit
from tests.concurrency import another_session, at_once
from tests.factories import NOW, make_client, make_live_policy, submit_one

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("permit_key")]


@pytest.fixture
def approved():
    make_live_policy()
    make_client("Executor", scopes=[Scope.PERMITS_REDEEM])
    return submit_one(confidence=0.95)


def issue(decision):
    return issue_permit(decision.pk, client=decision.client, audience="Executor", now=NOW).permit


def redeem(permit):
    return redeem_permit(permit.jti, client=permit.audience, act_sha256=permit.outcome.payload_sha256, now=NOW)


def test_of_32_redemptions_at_once_by_four_permits_one_counts(approved):
    permits = [issue(approved) for _ in range(4)]

    found = Counter(type(each) for each in at_once(32, lambda index: redeem(permits[index % 4])))

    assert found == {Redemption: 1, AlreadyRedeemed: 31}
    assert Redemption.objects.count() == 1


def test_after_the_redemption_no_permit_appears_however_close_they_come(approved):
    first = issue(approved)

    at_once(24, lambda index: redeem(first) if index == 8 else issue(approved))

    used = Redemption.objects.get()
    later_permits = Permit.objects.raw(
        "SELECT p.* FROM reviews_permit p JOIN reviews_event issued ON issued.kind = 'permit.issued'"
        " AND issued.body::jsonb ->> 'permit' = p.jti::text"
        " JOIN reviews_event used ON used.kind = 'permit.redeemed' WHERE issued.id > used.id"
    )
    assert used.permit == first
    assert not list(later_permits)


@pytest.mark.parametrize("act", [issue, redeem], ids=["issue", "redeem"])
def test_a_stop_that_is_under_way_is_waited_for_and_then_obeyed(approved, act):
    permit = issue(approved)
    about = approved if act is issue else permit
    with another_session() as stopping:
        stopping.execute("SELECT pg_advisory_xact_lock(7001, 0)")
        stopping.execute("UPDATE policies_switch SET paused = true")
        found = []
        thread = threading.Thread(target=lambda: found.extend(at_once(1, lambda _: act(about))))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        stopping.commit()
        thread.join(5)
    assert [type(each) for each in found] == [Paused]
    assert not Redemption.objects.exists()
    assert Client.objects.count() == 2
