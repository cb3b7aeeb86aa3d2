"""Permits: an outcome signed for the executor that is to act on it, and that it was used, once."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from joserfc import jwt
from joserfc.jwk import OKPKey

from policies.queries import live_policy, switches
from policies.services.stop import take_stop_locks_shared
from reviews.domain.permits import (
    ALGORITHM,
    KEYS_OVERLAP,
    LIFETIME,
    must_redeem,
    permit_claims,
    permit_header,
)
from reviews.domain.vocabulary import MAY_RUN, EventKind, Scope
from reviews.models import Client, Decision, Outcome, Permit, Redemption, new_id
from reviews.queries import decisions_of
from reviews.queries.dossier import digest_for, known_action, policy_for
from reviews.queries.seal import open_restore
from reviews.services.ask import UnknownDecision
from reviews.services.record import record
from reviews.services.report import NothingMayRun
from reviews.services.settle import settle_gate_of
from reviews.services.signing import SigningKey, signing_keys

_PERMITS_OF_A_DECISION = 7006
"""First half of the advisory lock under which a decision's permits are issued and redeemed one at a time."""


class PermitRefused(Exception):
    """No permit, or not any more (409); `detail` says why. Out of reach or refused: do not act."""

    detail = "No permit."

    def __init__(self) -> None:
        super().__init__(self.detail)


class Paused(PermitRefused):
    detail = "It is paused: nothing is let run until somebody lifts the stop."


class Restored(PermitRefused):
    detail = (
        "The console was restored from a backup, or its log was changed: nothing is let run until that is cleared up."
    )


class NotSettled(PermitRefused):
    detail = "This decision is not settled yet."


class AlreadyRedeemed(PermitRefused):
    """`permit` and `redeemed_at` say which permit was used, and when."""

    detail = "A permit of this decision was redeemed already; there is no second time."

    def __init__(self, redemption: Redemption) -> None:
        super().__init__()
        self.permit, self.redeemed_at = redemption.permit_id, redemption.redeemed_at


class PermitOver(PermitRefused):
    detail = "This permit is over; fetch another."


class AnotherPayload(PermitRefused):
    detail = "The hash is of another payload than the one that may run."


class UnknownPermit(Exception):
    """There is no such permit for this executor (404)."""

    def __init__(self) -> None:
        self.detail = "There is no such permit for you."
        super().__init__(self.detail)


class NoExecutor(Exception):
    """The audience is no executor for this decision (422)."""

    def __init__(self) -> None:
        self.detail = (
            "There is no executor of this name: an active client other than your own, in the decision's workflow, "
            f"with the scope {Scope.PERMITS_REDEEM}."
        )
        super().__init__(self.detail)


class Issued(NamedTuple):
    permit: Permit
    token: str  # the permit itself: a JWS in compact form (RFC 7515)


def issue_permit(decision_id: UUID, *, client: Client, audience: str, now: datetime) -> Issued:
    """Sign what may run for the executor named `audience`. Writes a Permit and its event.

    Raises UnknownDecision, NoExecutor, NothingMayRun, and Paused, NotSettled, AlreadyRedeemed; and KeyFileError where
    there is no key to sign with, and then nothing was written.
    """
    decision = decisions_of(client).select_related("workflow").filter(pk=decision_id).first()
    if decision is None:
        raise UnknownDecision
    settle_gate_of(decision, now=now)
    with transaction.atomic():
        _wait_for_stops(decision)
        executor = _executors(decision).exclude(pk=client.pk).filter(name=audience).first()
        if executor is None:
            raise NoExecutor
        outcome = Outcome.objects.defer("payload").filter(pk=decision.pk).first()
        if outcome is None:
            raise NotSettled
        if outcome.kind not in MAY_RUN:
            raise NothingMayRun
        _refuse_second_time(decision)
        key, *_ = signing_keys(settings.PERMIT_KEY_FILE)
        # Whole seconds, as the claims have them: the row and the signature end at the same moment.
        issued_at = now.astimezone(UTC).replace(microsecond=0)
        permit = Permit.objects.create(
            jti=new_id(),
            outcome=outcome,
            audience=executor,
            must_redeem=_must_redeem(decision, outcome.action),
            key_id=key.kid,
            issued_at=issued_at,
            expires_at=issued_at + LIFETIME,
        )
        claims = permit_claims(
            issuer=settings.PUBLIC_URL,
            audience=executor.name,
            decision_id=decision.pk,
            jti=permit.jti,
            issued_at=issued_at,
            action=outcome.action,
            payload_sha256=outcome.payload_sha256,
            outcome=outcome.kind,
            policy_digest=digest_for(decision, live=live_policy(decision.workflow_id)),
            redeem=permit.must_redeem,
        )
        body = {
            **_about(permit, decision, by=client),
            "audience": executor.pk,
            "expires_at": claims["exp"],
            "key": key.kid,
            **{name: claims[name] for name in ("act", "act_sha256", "outcome", "policy", "redeem")},
        }
        record(EventKind.PERMIT_ISSUED, now=now, decision=decision, body=body)
        return Issued(permit, _signed(claims, key=key))


def redeem_permit(jti: UUID, *, client: Client, act_sha256: str, now: datetime) -> Redemption:
    """Use a permit: once per decision, by its audience, for exactly this payload. Writes a Redemption and its event.

    Raises UnknownPermit, and Paused, AlreadyRedeemed, PermitOver, AnotherPayload.
    """
    permit = Permit.objects.select_related("outcome__decision").filter(pk=jti, audience=client).first()
    if permit is None:
        raise UnknownPermit
    outcome, decision = permit.outcome, permit.outcome.decision
    with transaction.atomic():
        _wait_for_stops(decision)
        if not _executors(decision).filter(pk=client.pk).exists():
            raise UnknownPermit
        _refuse_second_time(decision)
        if now >= permit.expires_at:
            raise PermitOver
        if act_sha256 != outcome.payload_sha256:
            raise AnotherPayload
        redemption = Redemption.objects.create(decision=decision, permit=permit, redeemed_at=now)
        body = {**_about(permit, decision, by=client), "act": outcome.action, "act_sha256": act_sha256}
        record(EventKind.PERMIT_REDEEMED, now=now, decision=decision, body=body)
        return redemption


def published_keys(*, now: datetime) -> list[dict[str, str]]:
    """The public keys that a permit may still be signed with, as a JSON Web Key Set has them.

    Raises KeyFileError.
    """
    current, *before = signing_keys(settings.PERMIT_KEY_FILE)
    published = [current.public_jwk()]
    successor = current
    for key in before:
        if successor.made_at + KEYS_OVERLAP > now:
            published.append(key.public_jwk())
        successor = key
    return published


def _wait_for_stops(decision: Decision) -> None:
    """Nothing passes a stop: one that is under way is waited for, and one that comes waits for this transaction."""
    take_stop_locks_shared([decision.workflow_id])
    # A later statement than the locks, and so of a later snapshot.
    if open_restore() is not None:
        raise Restored
    if switches(decision.workflow_id).paused:
        raise Paused
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_PERMITS_OF_A_DECISION, str(decision.pk)])


def _executors(decision: Decision) -> Any:
    """Clients that may be let act on it."""
    return Client.objects.filter(
        active=True, scopes__contains=[Scope.PERMITS_REDEEM], workflows=decision.workflow_id, internal=False
    )


def _refuse_second_time(decision: Decision) -> None:
    redemption = Redemption.objects.filter(pk=decision.pk).first()
    if redemption is not None:
        raise AlreadyRedeemed(redemption)


def _must_redeem(decision: Decision, action: str) -> bool:
    live = live_policy(decision.workflow_id)
    known = known_action(policy_for(decision, live=live), action) or known_action(live, action)
    return must_redeem(known.reversibility if known else None)


def _signed(claims: dict[str, Any], *, key: SigningKey) -> str:
    signing = OKPKey.import_key({**key.private_jwk()})
    return jwt.encode(permit_header(key.kid), claims, signing, algorithms=[ALGORITHM])


def _about(permit: Permit, decision: Decision, *, by: Client) -> dict[str, Any]:
    return {
        "permit": str(permit.jti),
        "decision": str(decision.pk),
        "external_id": decision.external_id,
        "actor": {"client": by.pk},
    }
