"""What a permit says: the outcome of one decision, for one executor, for two minutes. services.permit signs it."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from policies.domain.vocabulary import Reversibility

TYPE: Final = "countersign-permit+jwt"
"""`typ` of the header, so that no other token signed with the same key is ever taken for a permit."""
ALGORITHM: Final = "Ed25519"
LIFETIME: Final = timedelta(seconds=120)
KEYS_OVERLAP: Final = timedelta(minutes=10)
"""The public half of a key that was replaced stays published so long: longer than any permit, its clock's error too."""
_PLAINLY_REVERSIBLE: Final = (Reversibility.READ_ONLY, Reversibility.REVERSIBLE)


def must_redeem(reversibility: str | None) -> bool:
    """Whether an executor asks once more before it acts; always for an action that the policy doesn't know."""
    return reversibility not in _PLAINLY_REVERSIBLE


def permit_header(key_id: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "typ": TYPE, "kid": key_id}


def permit_claims(
    *,
    issuer: str,
    audience: str,
    decision_id: UUID,
    jti: UUID,
    issued_at: datetime,
    action: str,
    payload_sha256: str,
    outcome: str,
    policy_digest: str,
    redeem: bool,
) -> dict[str, Any]:
    """The claims of RFC 7519, and ours: what may run (`act`), with which payload, why, and whether to `redeem`.

    `act_sha256` is the SHA-256 of the payload's canonical JSON (RFC 8785). `iat`, `nbf` and `exp` are whole seconds.
    """
    at = int(issued_at.timestamp())
    return {
        "iss": issuer,
        "aud": audience,
        "sub": str(decision_id),
        "jti": str(jti),
        "iat": at,
        "nbf": at,
        "exp": at + int(LIFETIME.total_seconds()),
        "act": action,
        "act_sha256": payload_sha256,
        "outcome": outcome,
        "policy": policy_digest,
        "redeem": redeem,
    }
