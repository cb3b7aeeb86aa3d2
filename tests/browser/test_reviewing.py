"""A reviewer at the console with nothing but a keyboard, in a real Chromium before the real server."""

import gzip
import re
from datetime import timedelta
from statistics import quantiles
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, Request, Response, expect

from policies.domain.vocabulary import Reversibility, VerdictKind
from reviews.domain.vocabulary import TicketState
from reviews.models import Question, Ticket, Verdict
from reviews.services.claim import claim_ticket
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)

# The page's own guard is 400 ms from the second frame on.
READ_MS = 500
STAND_IN_FOR_FRAMES_MS = 60


@pytest.fixture
def workflow():
    workflow = make.make_workflow()
    make.make_action(workflow, "refund_fee", layout={"/message": "message"}, hold_seconds=60)
    make.make_action(
        workflow,
        "trace_top_up",
        payload_schema={
            "type": "object",
            "properties": {"message": {"type": "string"}, "card": {"type": "string", "minLength": 4}},
            "required": ["message", "card"],
        },
    )
    make.make_action(workflow, "send_letter", reversibility=Reversibility.IRREVERSIBLE)
    make.make_live_policy(workflow, now=timezone.now())
    return workflow


@pytest.fixture
def reports(page: Page):
    """What the browser complained of: scripts that failed, and breaches of the content security policy.

    An answer of 409 or 422, or none at all, is not among it: that is what some of these tests are about.
    """
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    expected = ("Failed to load resource", "htmx:afterRequest", "htmx:sendError")
    assert [report for report in found if not report.startswith(expected)] == []


def submit(count=1, **changes):
    return [make.gate_of(make.submit_one(now=timezone.now(), **changes)) for _ in range(count)]


def log_in(page: Page, live_server, client, user):
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])


@pytest.fixture
def desk(page: Page, live_server, client, workflow, reports):
    log_in(page, live_server, client, make.ana())

    def open_desk():
        page.goto(live_server.url)
        page.wait_for_timeout(READ_MS)

    open_desk.start = lambda: (open_desk(), page.keyboard.press("Enter"), on_ticket(page))
    return open_desk


def on_ticket(page: Page, *, not_at: str = ""):
    """Wait for a ticket that can be decided: another than the one at `not_at`."""
    page.wait_for_url(lambda url: "/tickets/" in url and url != not_at)
    page.locator("#decide").wait_for()
    page.wait_for_timeout(READ_MS)


def focused(page: Page):
    return page.evaluate_handle("document.activeElement")


def unattended(sent: Request) -> str:
    return sent.headers.get("x-unattended", "")


def press(page: Page, *keys: str):
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(STAND_IN_FOR_FRAMES_MS)


def test_twenty_tickets_take_enter_and_twenty_keys(page, desk, record_property):
    submit(20)
    desk()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if answer.url.endswith("/verdict") else None)
    pressed = ["Enter"]
    page.keyboard.press("Enter")
    for _ in range(20):
        on_ticket(page, not_at=page.url if pressed[-1] == "Enter" and len(pressed) > 1 else "")
        here = page.url
        page.keyboard.press("a")
        pressed.append("a")
        page.wait_for_url(lambda url, here=here: url != here)
    expect(page.get_by_role("heading", name="Nothing left to do")).to_be_focused()
    assert Verdict.objects.filter(kind=VerdictKind.APPROVE).count() == 20
    assert len(pressed) == 21
    record_property("figure", f"Twenty approvals: {len(pressed)} keys, the first of them Enter on the desk.")
    # All but the last, whose answer is that nothing is left.
    timings = [answer.request.timing for answer in answers[:-1]]
    took = quantiles([timing["responseStart"] - timing["requestStart"] for timing in timings], n=20)
    weight = max(len(gzip.compress(answer.body())) for answer in answers[:-1])
    assert len(timings) == 19
    record_property(
        "figure",
        f"A verdict and the next ticket: {took[9]:.0f} ms until the server answers (median of {len(timings)}, "
        f"95th percentile {took[18]:.0f} ms, on a busy machine), at most {weight / 1024:.1f} KB of it, compressed.",
    )


def test_the_next_ticket_says_what_was_approved_and_u_takes_it_back(page, desk):
    first, _ = submit(2)
    desk.start()
    here = page.url
    page.keyboard.press("a")
    on_ticket(page, not_at=here)
    expect(page.locator(".line.go")).to_contain_text(re.compile(r"Approved “Refund fee” for Customer 77\.\s+Undo"))
    page.keyboard.press("u")
    page.wait_for_url(f"**/tickets/{first.pk}/")
    expect(page.locator("main").get_by_text("Taken back")).to_be_visible()
    assert not Verdict.objects.standing().exists()


def test_a_held_key_decides_nothing(page, desk):
    submit(3)
    desk.start()
    page.keyboard.down("a")
    for _ in range(30):
        page.keyboard.down("a")  # a second down without an up is a repeat
        page.wait_for_timeout(40)
    page.keyboard.up("a")
    page.wait_for_timeout(300)
    assert Verdict.objects.count() == 1, "the press counts once, however long the key is held"


def test_a_key_pressed_before_the_ticket_could_be_read_decides_nothing(page, desk):
    submit(3)
    desk.start()
    here = page.url
    page.keyboard.press("a")
    page.wait_for_url(lambda url: url != here)
    page.locator("#decide").wait_for()
    for _ in range(4):
        page.keyboard.press("a")
        page.wait_for_timeout(30)
    page.wait_for_timeout(300)
    assert Verdict.objects.count() == 1


def test_a_second_click_in_the_same_place_decides_nothing(page, desk):
    submit(3)
    desk.start()
    page.get_by_role("button", name="Approve").dblclick()
    page.wait_for_timeout(300)
    assert Verdict.objects.count() == 1


def test_keys_are_letters_while_one_types_and_shortcuts_of_the_browser_with_modifiers(page, desk):
    submit(1)
    desk.start()
    press(page, "n")
    page.keyboard.type("arsxue?")
    expect(page.locator("#note")).to_have_value("arsxue?")
    press(page, "Enter")
    press(page, "Escape", "Control+a", "Alt+a", "Shift+A")
    page.wait_for_timeout(300)
    assert not Verdict.objects.exists()
    expect(page.locator("#ticket")).to_be_visible()


def test_enter_and_space_act_on_the_focused_control_only(page, desk):
    submit(1)
    desk.start()
    page.get_by_role("button", name="Skip").focus()
    press(page, "Space")
    expect(page.locator("p.line").get_by_text("Skipped")).to_be_visible()
    assert not Verdict.objects.exists()


def test_edit_in_place_with_the_difference_shown(page, desk):
    submit(1)
    desk.start()
    press(page, "e")
    message = page.get_by_label("Message")
    expect(message).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Do we charge for topping up?")
    expect(page.locator("#changes ins")).to_have_text("we")
    expect(page.locator("#changes del")).to_have_text("you")
    page.wait_for_timeout(READ_MS)
    press(page, "Control+Enter", "2")
    expect(page.locator("main").get_by_text("Approved with changes")).to_be_visible()
    given = Verdict.objects.get()
    assert (given.kind, given.material) == (VerdictKind.EDIT, False)
    assert given.payload["message"] == "Do we charge for topping up?"


def test_override_by_digits_with_what_the_other_action_needs(page, desk):
    submit(1)
    desk.start()
    press(page, "o", "1")
    card = page.get_by_label("Card")
    expect(card).to_be_focused()
    page.keyboard.type("1")
    page.wait_for_timeout(READ_MS)
    press(page, "Control+Enter", "1")
    expect(card).to_have_attribute("aria-invalid", "true")
    expect(card).to_be_focused()
    page.keyboard.type("234")
    page.wait_for_timeout(READ_MS)
    press(page, "Control+Enter", "1")
    expect(page.locator("main").get_by_text("Overridden:")).to_be_visible()
    given = Verdict.objects.get()
    assert (given.action, given.payload["card"], given.reason_code) == ("trace_top_up", "1234", "wrong_action")


def test_reject_with_a_digit(page, desk):
    submit(1)
    desk.start()
    press(page, "r", "2")
    expect(page.locator("main").get_by_text("Rejected")).to_be_visible()
    given = Verdict.objects.get()
    assert (given.kind, given.reason_code) == (VerdictKind.REJECT, "wrong_facts")


def test_ask_upstream(page, desk):
    submit(1)
    desk.start()
    press(page, "q", "Control+Enter")
    expect(page.locator("main").get_by_text("Write what you need to know.", exact=True)).to_be_visible()
    page.wait_for_timeout(READ_MS)
    page.locator("#question").focus()
    page.keyboard.type("Which plan?")
    press(page, "Control+Enter")
    expect(page.locator("main").get_by_text("Asked.")).to_be_visible()
    assert Question.objects.get().text == "Which plan?"


def test_escalate_and_skip(page, desk):
    first, second = submit(2)
    desk.start()
    here = page.url
    press(page, "x")
    on_ticket(page, not_at=here)
    press(page, "s")
    expect(page.locator("p.line").get_by_text("Skipped")).to_be_visible()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.group == first.workflow.escalation_group
    assert second.state == TicketState.OPEN


def test_what_can_t_be_undone_takes_typing_and_enter(page, desk):
    submit(1, action="send_letter", payload={"message": "Dear you"})
    desk.start()
    press(page, "a")
    expect(page.locator("#confirmation")).to_be_focused()
    page.keyboard.type("sent")
    press(page, "Enter")
    expect(page.locator("main").get_by_text("Type send to confirm.")).to_be_visible()
    assert not Verdict.objects.exists()
    page.wait_for_timeout(READ_MS)
    page.locator("#confirmation").fill("send")
    press(page, "Enter")
    expect(page.locator("main").get_by_text("Approved")).to_be_visible()


def test_a_long_payload_is_read_to_its_end_before_it_can_be_approved(page, desk):
    submit(1, payload={"message": "A line of text.\n" * 200, "amount": "12.00", "currency": "EUR"})
    desk.start()
    press(page, "a")
    page.wait_for_timeout(300)
    assert not Verdict.objects.exists()
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")
    for _ in range(30):
        press(page, "j")
    press(page, "a")
    expect(page.locator("main").get_by_text("Approved")).to_be_visible()


def test_a_sensitive_item_is_shown_on_request_and_not_approved_unseen(page, desk, workflow):
    make.make_action(workflow, "remove_post", sensitive=True)
    make.make_live_policy(workflow, now=timezone.now())
    submit(1, action="remove_post", payload={"text": "An upsetting post."})
    desk.start()
    expect(page.locator("main").get_by_text("An upsetting post.")).to_be_hidden()
    press(page, "a")
    assert not Verdict.objects.exists()
    press(page, "v")
    expect(page.locator("main").get_by_text("An upsetting post.")).to_be_visible()
    page.wait_for_timeout(100)
    press(page, "a")
    expect(page.locator("main").get_by_text("Approved", exact=False).first).to_be_visible()
    assert Verdict.objects.count() == 1


def test_a_ticket_that_is_put_back_is_anybody_s_again(page, desk, live_server):
    (ticket,) = submit(1)
    desk.start()
    page.get_by_role("button", name="Put back").focus()
    press(page, "Enter")
    page.wait_for_url(live_server.url + "/")
    ticket.refresh_from_db()
    assert ticket.state == TicketState.OPEN


def test_a_verdict_given_while_the_connection_is_lost_is_kept_and_sent_once(page, desk):
    submit(2)
    desk.start()
    here = page.url
    page.context.set_offline(True)
    press(page, "a", "a")
    expect(page.get_by_text("Connection lost. Your answer is kept")).to_be_visible()
    press(page, "r")
    assert not Verdict.objects.exists()
    page.wait_for_timeout(3500)
    page.context.set_offline(False)
    page.wait_for_url(lambda url: url != here)
    expect(page.locator("#connection")).to_be_hidden()
    assert Verdict.objects.count() == 1


def test_somebody_else_was_faster_and_the_page_says_who(page, desk):
    (ticket,) = submit(1)
    desk.start()
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=timezone.now() - timedelta(minutes=1))
    claim_ticket(ticket.pk, reviewer=make.ben(), now=timezone.now())
    press(page, "a")
    expect(page.get_by_role("alert").filter(has_text="Ben has this ticket")).to_be_visible()
    expect(page.get_by_role("button", name="Next ticket")).to_be_visible()
    assert not Verdict.objects.exists()


def test_the_help_sheet_is_made_of_the_same_table(page, desk):
    submit(1)
    desk.start()
    press(page, "?")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    for line in ("Approve", "Reject, then a digit picks the reason", "Undo", "Go to the desk"):
        expect(sheet.get_by_text(line)).to_be_visible()
    press(page, "a")
    assert not Verdict.objects.exists()
    press(page, "Escape")
    expect(sheet).to_be_hidden()


def test_the_desk_by_keyboard_down_to_a_row_and_back(page, desk, live_server):
    first, second = submit(2)
    desk()
    press(page, "j", "j")
    expect(page.locator(f"#row-{second.pk} a")).to_be_focused()
    press(page, "k", "Enter")
    page.wait_for_url(f"**/tickets/{first.pk}/")
    page.wait_for_timeout(READ_MS)
    press(page, "Enter")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    press(page, "g", "d")
    page.wait_for_url(live_server.url + "/")


def test_the_desk_does_not_move_under_a_focus(page, desk):
    submit(1)
    desk()
    press(page, "j")
    submit(1)
    page.evaluate("htmx.trigger('#queue', 'refresh')")
    expect(page.locator("#stale")).to_be_visible()
    assert page.locator("[data-row]").count() == 1
    page.locator("#stale").click()
    expect(page.locator("[data-row]")).to_have_count(2)


def test_focus_and_live_region_go_where_the_work_goes(page, desk):
    submit(2)
    desk.start()
    heading = page.locator("h1")
    expect(heading).to_be_focused()
    here = page.url
    page.keyboard.press("a")
    on_ticket(page, not_at=here)
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("#announce")).to_have_text(
        re.compile(r"Approved Refund fee for Customer 77\..*Refund fee of 12")
    )


def test_tab_goes_through_a_ticket_in_the_order_in_which_it_is_read(page, desk):
    submit(1)
    desk.start()
    page.get_by_text("Nothing like it was decided before.").wait_for()
    expect(page.locator("h1")).to_be_focused()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("e => e.dataset.act || e.name || e.textContent.trim()", focused(page)))
        if reached[-1] == "help":
            break
    assert reached == [
        *("reasoning_rating",),
        *("approve", "edit", "override", "reject", "note", "ask", "escalate", "skip", "help"),
    ]


def test_a_screen_reader_hears_why_approving_does_nothing_and_what_became_of_a_ticket(page, desk):
    submit(2, payload={"message": "A line of text.\n" * 200, "amount": "12.00", "currency": "EUR"})
    desk.start()
    press(page, "a")
    expect(page.locator("#announce")).to_have_text("Read the payload to its end first, then approve.")
    here = page.url
    press(page, "r", "2")
    on_ticket(page, not_at=here)
    expect(page.locator("#announce")).to_have_text(
        re.compile(
            r"Rejected Refund fee for Customer 77\. Undo with u\. The same as the one before\.|Rejected Refund fee"
        )
    )
    assert page.locator("#announce").get_attribute("aria-live") == "polite"
    press(page, "u")
    expect(page.locator("#announce")).to_have_text(re.compile(r"Taken back: nothing was sent\. Decide again\."))


def test_what_a_page_does_by_itself_is_marked_so_that_it_keeps_nobody_logged_in(page, desk):
    submit(1)
    desk()
    marked: dict[str, str] = {}
    page.on("request", lambda sent: marked.update({urlsplit(sent.url).path.rpartition("/")[2]: unattended(sent)}))
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        page.evaluate("htmx.trigger('#queue', 'refresh')")
    assert marked[""] == "1"
    page.keyboard.press("Enter")
    on_ticket(page)
    with page.expect_response("**/renew"):
        page.evaluate("htmx.trigger('[data-renew]', 'renew')")
    with page.expect_response("**/presence"):
        page.evaluate("htmx.trigger('[data-presence]', 'presence')")
    press(page, "s")
    expect(page.locator("p.line").get_by_text("Skipped")).to_be_visible()
    assert (marked["renew"], marked["presence"]) == ("1", "1")
    assert (marked["next"], marked["skip"]) == ("", "")


def test_whoever_else_has_the_ticket_open_is_named_quietly(page, desk, browser, live_server):
    (ticket,) = submit(1)
    desk.start()
    context = browser.new_context()
    omars = context.new_page()
    log_in(omars, live_server, Client(), make.omar())
    omars.goto(f"{live_server.url}/tickets/{ticket.pk}/")
    with omars.expect_response("**/presence"):
        pass
    page.evaluate("htmx.trigger('[data-presence]', 'presence')")
    expect(page.locator(".present")).to_have_text("Omar has this open too")
    expect(page.locator("h1")).to_be_focused()
    expect(omars.get_by_text("Ana has this open.")).to_be_visible()
    context.close()


def test_without_javascript_a_ticket_is_decided_by_plain_forms(browser, live_server, client, workflow):
    submit(2)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, live_server, client, make.ana())
    page.goto(live_server.url)
    page.get_by_role("button", name="Start reviewing").click()
    page.wait_for_timeout(READ_MS)
    page.get_by_text("Reject", exact=True).click()
    page.get_by_role("button", name="Facts are wrong").click()
    expect(page.locator("main").get_by_text("Rejected")).to_be_visible()
    page.wait_for_timeout(READ_MS)
    page.locator("#note").press("Enter")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(live_server.url + "/")
    assert Verdict.objects.count() == 2
    context.close()
