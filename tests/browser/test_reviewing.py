"""A reviewer who decides tickets in a real Chromium before the real server: each verdict, and what may come between."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import TicketState
from reviews.models import Question, Ticket, Verdict
from reviews.services.claim import claim_ticket
from tests import factories as make
from tests.browser.desk import READ_MS, log_in, on_ticket, press, submit, unattended

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_whom_it_is_about_stays_on_one_line_beside_many_reasons(page, desk, workflow):
    rules = [{"expression": f"confidence < 0.{place}", "sentence": f"Below 0.{place}."} for place in (96, 97, 98, 99)]
    make.make_live_policy(workflow, rules=rules, now=timezone.now())
    subject = {"type": "message", "id": "10530", "label": "Customer message 10530"}
    submit(2, subject=subject)
    submit(1, subject=subject, action="nobody_registered_this_action", confidence=0.5)
    page.set_viewport_size({"width": 1440, "height": 900})
    desk()
    lines = page.locator("td.about bdi").evaluate_all("cells => cells.map(cell => cell.getClientRects().length)")
    assert lines == [1, 1, 1]
