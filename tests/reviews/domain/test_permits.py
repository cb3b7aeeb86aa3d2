"""What a permit says."""

from datetime import timedelta
from uuid import UUID

import pytest

from policies.domain.vocabulary import Reversibility
from reviews.domain.permits import KEYS_OVERLAP, LIFETIME, must_redeem, permit_claims, permit_header
from tests.factories import NOW

DECISION, JTI = UUID(int=1), UUID(int=2)


def claims(**changes):
    return permit_claims(
        **{
            "issuer": "https://review.example.org",
            "audience": "Executor",
            "decision_id": DECISION,
            "jti": JTI,
            "issued_at": NOW,
            "action": "refund_fee",
            "payload_sha256": "a" * 64,
            "outcome": "edited",
            "policy_digest": "sha256:b",
            "redeem": True,
            **changes,
        }
    )


def test_it_binds_one_executor_to_one_payload_for_two_minutes():
    at = int(NOW.timestamp())
    assert claims() == {
        "iss": "https://review.example.org",
        "aud": "Executor",
        "sub": str(DECISION),
        "jti": str(JTI),
        "iat": at,
        "nbf": at,
        "exp": at + 120,
        "act": "refund_fee",
        "act_sha256": "a" * 64,
        "outcome": "edited",
        "policy": "sha256:b",
        "redeem": True,
    }


def test_it_never_lasts_longer_for_the_fraction_of_a_second():
    assert claims(issued_at=NOW + timedelta(microseconds=999_999)) == claims()


def test_its_type_and_algorithm_are_fixed():
    assert permit_header("k") == {"alg": "Ed25519", "typ": "countersign-permit+jwt", "kid": "k"}


@pytest.mark.parametrize("reversibility", [*Reversibility, None, "", "unheard-of"])
def test_all_but_what_is_plainly_reversible_is_redeemed(reversibility):
    assert must_redeem(reversibility) == (reversibility not in ("read_only", "reversible"))


def test_an_old_key_is_published_for_longer_than_any_permit():
    assert 2 * LIFETIME < KEYS_OVERLAP
