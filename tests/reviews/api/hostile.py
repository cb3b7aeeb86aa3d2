"""Bodies made to break a parser, by what is wrong with them."""

import json
from collections.abc import Iterator
from typing import Any

from tests.factories import proposal_body

LARGEST = 1024 * 1024  # bytes of a body


def body(**changes: Any) -> dict[str, Any]:
    return proposal_body(**{"external_id": "hostile", **changes})


def with_raw(place: str, raw: bytes) -> bytes:
    """A submission in which the value at a top-level place is written as `raw`."""
    return json.dumps(body(**{place: "PLACE"})).encode().replace(b'"PLACE"', raw)


# ---- What is no JSON, or no text ------------------------------------------------------------------------------------


def broken_off() -> Iterator[bytes]:
    whole = json.dumps(body()).encode()
    yield from (whole[:end] for end in range(1, len(whole), 17))


NO_VALUES = r"""
01  -01  +1  .5  1.  1.e5  1e  1e+  -  --1  0x1F  1_000  ½  ١  1n  1f  0b1  1-1  1/2  (1)
NaN  -NaN  Infinity  -Infinity  nan  inf  True  None  undefined  nul  tru  nulll
'a'  `a`  a  "a  a"  "\x41"  "\u12"  "\uD8"  "\"  "a"b  "a" "b"  "\u{41}"  "\U00000041"  "\'"
[1  [,1]  [1,]  [1,,2]  [1 2]  [1:2]  {1:2}  {a:1}  {'a':1}  {"a"}  {"a":}  {"a":1,}  {,}  {"a":1 "b":2}  {"a"=1}
//  /**/  #  ...  <a/>  {"a":1}}  [1]]  ]  }  ,  :
"""


def grammar() -> Iterator[bytes]:
    values = [value.encode() for line in NO_VALUES.strip().splitlines() for value in line.split("  ")]
    yield from values
    yield from (with_raw("confidence", value) for value in values)
    yield from (with_raw("reasoning", b'"' + chr(code).encode() + b'"') for code in range(32))
    whole = json.dumps(body()).encode()
    for tail in (b"x", b"{}", b",", b"]", b"}", b"\x00", b" null", b"//", b"\x0b", b"\xc2\xa0"):
        yield whole + tail
    for head in (b"\x00", b"\xef\xbb\xbf", b"\xfe\xff", b"\x1e", b"\xc2\xa0", b")]}',\n", b"0"):
        yield head + whole
    yield from (b" ", b"\n\n", b"{", b"[", b'"', b"\\", b"\x00", b"\xff", b"{}{}", b"[][]", b"\x80" * 50)


def encodings() -> Iterator[bytes]:
    whole = json.dumps(body(reasoning="Fee: 5 €, naïve"), ensure_ascii=False)
    yield from (whole.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp1252"))
    # Lone bytes, overlong forms, surrogates, and code points past the last, each written as if it were UTF-8.
    for bad in "80 ff c3 e282 c0af e080af eda080 edb080 f08080af f4908080 f888808080 fe feff ffff c0 c1bf".split():  # noqa: SIM905
        yield with_raw("reasoning", b'"' + bytes.fromhex(bad) + b'"')


# ---- JSON, but not this ---------------------------------------------------------------------------------------------


def sizes() -> Iterator[bytes]:
    for depth in (30, 31, 32, 33, 100, 1_000, 10_000, 100_000):
        yield with_raw("context", b'{"a":' * depth + b"1" + b"}" * depth)
        yield with_raw("payload", b'{"a":' + b"[" * depth + b"]" * depth + b"}")
        yield b"[" * depth
        yield b'{"a":' * depth
    for nodes in (4_000, 4_999, 5_000, 50_000, 250_000):
        yield with_raw("context", b'{"a":[' + b",".join([b"1"] * nodes) + b"]}")
    yield with_raw("context", b"{" + b",".join(b'"%d":0' % number for number in range(6_000)) + b"}")
    yield with_raw("reasoning", b'"' + b"x" * 100_001 + b'"')
    yield with_raw("reasoning", b'"' + b"x" * (LARGEST - 900) + b'"')
    yield with_raw("context", b'{"' + b"k" * 500_000 + b'":1}')
    yield from (filler * (LARGEST - 1) for filler in (b" ", b"1", b"[", b"\\", b'"'))


NUMBERS = """
-0 -0.0 0e0 0e999999999 1e400 -1e400 1e-400 1e999999999999 -1e-999999999 1e40 1e41 1E5 100e-2
9007199254740991 9007199254740992 -9007199254740992 9007199254740993.0 18446744073709551616
1.7976931348623157e309 4.9e-324 5e-325 0.1 0.1000000000000000055511151231257827 0.30000000000000004
1.0000000000000000000000000000000000000001 123456789012345678901234567890.123
0.99999999999999999999999999999999999999999
"""


def numbers() -> Iterator[bytes]:
    endless = (
        "9" * 400,
        "0." + "9" * 400,
        "1" + "0" * 5_000,
        "-" + "9" * 100_000,
        "0." + "0" * 100_000 + "1",
        "1e" + "9" * 5_000,
    )
    for value in (*NUMBERS.split(), *endless):
        yield with_raw("confidence", value.encode())
        yield with_raw("payload", b'{"amount": %s, "currency": "EUR"}' % value.encode())
        yield with_raw("context", b'{"n": [%s]}' % value.encode())


KEYS = ("", r"\u0000", "__proto__", r"\ud800", r"a\u0000b", "$ref", r"\uFEFF", r"\r\n", " ", "ä" * 200, "a.b", "a/b~0")


def keys() -> Iterator[bytes]:
    whole = json.dumps(body())
    for name in body():
        yield whole.replace(f'"{name}"', f'"{name}": null, "{name}"', 1).encode()
    yield whole.replace('"external_id"', r'"external_id": "a", "external\u005fid"', 1).encode()
    yield with_raw("payload", b'{"a": 1, "a": 2}')
    yield with_raw("context", b'{"x": {"a": {"b": 1, "b": 1}}}')
    for name in KEYS:
        yield with_raw("context", f'{{"{name}": 1}}'.encode())
        yield whole.replace('"workflow"', f'"{name}": 1, "workflow"', 1).encode()


STRINGS = r"""
\u0000 a\u0000b \ud800 \udc00 \ud800\ud800 \udc00\ud800 \ud83d\ude00 \ud83d \ude00x \uDBFF\uDFFF \uFFFE \uFFFF
\u202e \u200b \u0007 \u001b[31m \u2028 \/ \b\f\t \" \\ \\u0000 %00 %s {0} {{7*7}} ${7*7} ';-- ..\/..\/etc\/passwd
"""


def strings() -> Iterator[bytes]:
    for value in STRINGS.split():
        for place in ("external_id", "workflow", "action", "reasoning", "requested_by", "deadline"):
            yield with_raw(place, f'"{value}"'.encode())
        for place, name in (("payload", "message"), ("model", "name"), ("subject", "id"), ("run", "state")):
            yield with_raw(place, f'{{"{name}": "{value}"}}'.encode())


VALUES = (
    *(None, True, False, 0, -1, 0.5, "", "x", "null", [], {}),
    *([[]], [{}], [None], [1, "a"], {"": {}}, {"type": {"id": []}}),
)


def kinds() -> Iterator[bytes]:
    for place in (*body(), "deadline", "requested_by", "run", "unknown"):
        yield from (with_raw(place, json.dumps(value).encode()) for value in VALUES)
    yield from (json.dumps(value).encode() for value in (*VALUES, [body()]))
    for place in ("subject", "model", "run"):
        for name in ("id", "type", "label", "url", "name", "version", "prompt", "call_id", "state"):
            for value in (None, True, 7, [], {}, "x" * 5_000):
                yield with_raw(place, json.dumps({name: value}).encode())


CORPUS = {each.__name__: each for each in (broken_off, grammar, encodings, sizes, numbers, keys, strings, kinds)}

# What looks as dangerous, and is a person's text like any other.
TEXTS = (
    "Ω≈ç√∫˜µ≤≥÷ 田中さん 𠜎𠜱 👩‍👩‍👧‍👦 🏳️‍🌈 Z̮̞̠A̗̞͈Ḷ͙͎G̻O̭̗̮",
    "\u202eright to left\u202c \u200b\u200c\u200d\ufeff \u2066isolated\u2069",
    "'; DROP TABLE reviews_decision; -- \\'; SELECT pg_sleep(10) --",
    "<script>alert(1)</script> <img src=x onerror=alert(1)> {{ 7 * 7 }} {% include '/etc/passwd' %} ${jndi:ldap://x}",
    "\t\r\n\x01\x02\x1f\x7f\x80\x9f \u2028 \u2029 \ufffe \uffff \U0010ffff",
    "%s %d %n %(x)s {0} {x} \\0 \\x00 \\u0000",
)
