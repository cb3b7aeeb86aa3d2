"""The console by keyboard and for a screen reader: which key does what and when nothing, and where the focus goes."""

import gzip
import re
from statistics import quantiles

import pytest
from playwright.sync_api import Response, expect

from policies.domain.vocabulary import VerdictKind
from reviews.models import Verdict
from tests.browser.desk import READ_MS, focused, on_ticket, press, submit

pytestmark = pytest.mark.django_db(transaction=True)


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
