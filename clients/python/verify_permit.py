"""Checks a permit offline, on the standard library alone: copy it into your executor. Raises NotPermitted, else:

    permit = verify_permit(token, jwks=jwks, issuer=url, audience=own_name, action=action, payload=payload)
    if permit["redeem"]: countersign.redeem(permit["jti"], permit["act_sha256"])  # Refused, or no answer: do not act
    run(action, payload, idempotency_key=permit["sub"])  # the decision's id: a second permit of it is no second run
`jwks` is /.well-known/jwks.json as a dict: fetch it again when a `kid` is unknown. Ed25519 (RFC 8032) is written out,
since an openssl of the right version would have to be there, and started for each permit; no secret is at stake here.
"""

import base64
import json
import time
from decimal import Decimal
from hashlib import sha256, sha512
from typing import Any

TYPE, ALGORITHM, MAY_RUN = "countersign-permit+jwt", "Ed25519", ("approved", "edited", "overridden")
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z


class NotPermitted(Exception): ...  # do not act; the message says why


def verify_permit(
    token: str, *, jwks: dict[str, Any], issuer: str, audience: str, action: str, payload: Any, leeway: float = 5
) -> dict[str, Any]:
    """The claims, once everything about the permit holds for this action and payload. `leeway`: seconds of clocks."""
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        if (header["alg"], header["typ"], "crit" in header) != (ALGORITHM, TYPE, False):
            raise NotPermitted("It is signed otherwise, or is no permit.")
        key = next((key for key in jwks["keys"] if key.get("kid") == header["kid"] and key["crv"] == "Ed25519"), None)
        if key is None or not verifies(decoded(key["x"]), signed.encode(), decoded(signature)):
            raise NotPermitted("It is signed with a key that isn't known, or the signature is not right.")
        if (claims["iss"], claims["aud"]) != (issuer, audience):
            raise NotPermitted("It is from or for somebody else.")
        if not claims["nbf"] - leeway <= time.time() < claims["exp"] + leeway:
            raise NotPermitted("It doesn't hold at this time.")
        what = (claims["outcome"] in MAY_RUN, claims["act"], claims["act_sha256"])
        if what != (True, action, sha256(canonical(payload).encode()).hexdigest()):
            raise NotPermitted("It is for another action or payload.")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotPermitted(f"It can't be read: {error!r}") from error
    return dict(claims)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Any) -> str:  # RFC 8785
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(each)}" for name, each in items) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical, value)) + "]"
    if not isinstance(value, float):
        return json.dumps(value, ensure_ascii=False)
    text = str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return text if abs(value) >= 1e-6 or not value else repr(value).replace("e-0", "e-")  # ECMAScript's, within ±2^53


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:  # RFC 8032, 5.1.7
    a, r, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), plus(r, times(k, a))
    return all((left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1))


def point_of(data: bytes) -> Point | None:  # RFC 8032, 5.1.3
    y = int.from_bytes(data, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT % P
    if len(data) != 32 or y >= P or (x * x - square) % P or (x == 0 and data[31] >> 7):
        return None
    x = P - x if x % 2 != data[31] >> 7 else x
    return (x, y, 1, x * y % P)


def plus(p: Point, q: Point) -> Point:  # RFC 8032, 5.1.4
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n: int, point: Point) -> Point:
    made: Point = (0, 1, 1, 0)
    for bit in f"{n:b}":
        made = plus(plus(made, made), point) if bit == "1" else plus(made, made)
    return made


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)
