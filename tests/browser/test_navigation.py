"""The way from page to page where there is little room."""

import pytest
from playwright.sync_api import Page

from tests import factories as make
from tests.browser.desk import log_in, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [390, 320])
def test_every_page_is_in_sight_in_a_narrow_window(page: Page, live_server, client, workflow, reports, width):
    page.set_viewport_size({"width": width, "height": 800})
    log_in(page, live_server, client, make.make_user("olga", groups=[make.SUPPORT, make.LEADS], is_staff=True))
    page.goto(live_server.url)
    pages = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert pages.all_inner_texts() == ["Desk", "Lead", "Log", "Insights", "Policies", "Status", "Admin"]
    lines = set()
    for link in pages.all():
        box = link.bounding_box()
        assert box["x"] >= 0, "nothing has to be scrolled to"
        assert box["x"] + box["width"] <= width, "nothing has to be scrolled to"
        assert box["height"] >= 24, "big enough to be hit"
        lines.add(box["y"])
    assert len(lines) <= 2


@pytest.mark.parametrize("width", [390, 320])
def test_what_takes_a_ticket_is_as_wide_as_its_words_in_a_narrow_window(
    page: Page, live_server, client, workflow, width
):
    page.set_viewport_size({"width": width, "height": 800})
    log_in(page, live_server, client, make.make_user("olga", groups=[make.SUPPORT, make.LEADS]))
    page.goto(f"{live_server.url}/tickets/{submit(1)[0].pk}/")
    ways = page.locator(".decide form > :is(button, a)")
    assert ways.all_inner_texts() == ["Take this ticket", "Back to the desk", "Move it"]
    for way in ways.all():
        assert way.evaluate("way => way.scrollWidth <= way.clientWidth"), way.inner_text()
        box = way.bounding_box()
        assert box["x"] >= 0, "nothing has to be scrolled to"
        assert box["x"] + box["width"] <= width, "nothing has to be scrolled to"
