"""The verifier that executors copy: offline, on the standard library alone."""

import ast
import base64
import json
import sys
import time
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from clients.python import verify_permit as module
from clients.python.verify_permit import NotPermitted, canonical, verifies, verify_permit
from policies.domain.canonical import payload_sha256
from policies.domain.strict_json import MAX_NUMBER

# RFC 8032, 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
PRIVATE = Ed25519PrivateKey.generate()
PAYLOAD = {"amount": "12.00", "currency": "EUR", "tries": 3, "share": 0.25}
HELD = {"issuer": "https://review.example.org", "audience": "Executor", "action": "refund_fee"}


def text_of(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


JWKS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": text_of(PRIVATE.public_key().public_bytes_raw())}]}


def token(*, header=None, signed_by=PRIVATE, **changes):
    now = int(time.time())
    claims = {
        "iss": HELD["issuer"],
        "aud": HELD["audience"],
        "sub": "d",
        "jti": "j",
        "iat": now,
        "nbf": now,
        "exp": now + 120,
        "act": "refund_fee",
        "act_sha256": payload_sha256(PAYLOAD),
        "outcome": "approved",
        "policy": "p",
        "redeem": False,
        **changes,
    }
    header = {"alg": "Ed25519", "typ": "countersign-permit+jwt", "kid": "k", **(header or {})}
    signed = ".".join(text_of(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{text_of(signed_by.sign(signed.encode()))}"


def verify(permit, *, payload=PAYLOAD, jwks=JWKS, **changes):
    return verify_permit(permit, jwks=jwks, payload=payload, **{**HELD, **changes})


# ---- Ed25519 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=["1", "2", "3"])
def test_the_vectors_of_the_rfc_verify_and_nothing_near_them_does(vector):
    public, message, signature = map(bytes.fromhex, vector)

    assert verifies(public, message, signature)
    assert not verifies(public, message + b"x", signature)
    assert not verifies(public, message, signature[:-1])
    assert not verifies(public, message, signature + b"\0")
    for place in (0, 31, 32, 63):
        bent = bytearray(signature)
        bent[place] ^= 1
        assert not verifies(public, message, bytes(bent))
    assert not verifies(bytes(32), message, signature)


def test_a_signature_whose_second_half_is_past_the_order_is_refused():
    """Else there would be two signatures of one permit (RFC 8032, 5.1.7)."""
    public, message, signature = map(bytes.fromhex, VECTORS[0])
    beyond = int.from_bytes(signature[32:], "little") + module.L

    assert not verifies(public, message, signature[:32] + beyond.to_bytes(32, "little"))


def test_a_point_off_the_curve_or_past_the_field_is_none():
    past = (module.P + 1).to_bytes(32, "little")
    assert module.point_of(past) is None
    assert module.point_of((2).to_bytes(32, "little")) is None


@given(st.binary(max_size=200))
def test_it_agrees_with_a_library_on_any_message(message):
    public = PRIVATE.public_key().public_bytes_raw()
    assert verifies(public, message, PRIVATE.sign(message))


# ---- Canonical JSON -------------------------------------------------------------------------------------------------

NUMBERS = st.integers(-MAX_NUMBER, MAX_NUMBER) | st.floats(-MAX_NUMBER, MAX_NUMBER)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    )
)
def test_a_payload_has_the_canonical_form_that_it_has_elsewhere(payload):
    assert canonical(payload).encode() == rfc8785.dumps(payload)


# ---- Permits --------------------------------------------------------------------------------------------------------


def test_a_permit_that_holds_gives_its_claims():
    assert verify(token(redeem=True))["redeem"] is True


@pytest.mark.parametrize(
    "permit",
    [
        lambda: token(header={"alg": "none"}),
        lambda: token(header={"alg": "EdDSA"}),
        lambda: token(header={"alg": "HS256"}),
        lambda: token(header={"alg": ["Ed25519"]}),
        lambda: token(header={"typ": "JWT"}),
        lambda: token(header={"crit": ["exp"]}),
        lambda: token(header={"kid": "another"}),
        lambda: token(header={"kid": None}),
        lambda: token(signed_by=Ed25519PrivateKey.generate()),
        lambda: token().rpartition(".")[0] + ".",
        lambda: token().rpartition(".")[0],
        lambda: token() + ".x",
        lambda: token()[:-40] + "A" * 38 + token()[-2:],
        lambda: token(exp=int(time.time()) - 6),
        lambda: token(nbf=int(time.time()) + 60),
        lambda: token(exp=None),
        lambda: token(exp="9999999999"),
        lambda: token(aud="Another executor"),
        lambda: token(aud=["Executor"]),
        lambda: token(iss="https://elsewhere.example"),
        lambda: token(act="close_account"),
        lambda: token(act_sha256="0" * 64),
        lambda: token(outcome="rejected"),
        lambda: token(outcome=["approved"]),
        lambda: "",
        lambda: "..",
        lambda: "é.é.é",
        lambda: None,
    ],
)
def test_whatever_else_it_is_no_permit(permit):
    with pytest.raises(NotPermitted):
        verify(permit())


def test_claims_that_were_changed_after_signing_are_found_out():
    header, _, signature = token().split(".")
    claims = token(aud="Executor", exp=int(time.time()) + 10_000).split(".")[1]
    with pytest.raises(NotPermitted):
        verify(f"{header}.{claims}.{signature}")


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": {**PAYLOAD, "amount": "12.01"}},
        {"payload": {**PAYLOAD, "extra": 1}},
        {"payload": None},
        {"action": "close_account"},
        {"audience": "Another executor"},
        {"issuer": "https://elsewhere.example"},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{**JWKS["keys"][0], "crv": "X25519"}]}},
        {"jwks": {}},
    ],
)
def test_what_is_about_to_run_must_be_what_was_permitted(changes):
    with pytest.raises(NotPermitted):
        verify(token(), **changes)


def test_a_payload_in_another_order_is_the_same_payload():
    assert verify(token(), payload=dict(reversed(PAYLOAD.items())))


def test_it_is_one_file_of_the_standard_library_and_of_100_lines():
    source = Path(module.__file__).read_text()
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names
    assert len(source.splitlines()) <= 100
