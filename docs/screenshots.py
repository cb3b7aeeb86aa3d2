"""Takes the pictures in docs/images of a running console with demo data: `make screenshots`.

Ben first answers some tickets by what is known of them, so that there is something to see; Ana's are put back.
"""

import argparse
import gzip
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
DEMO = Path(__file__).parents[1] / "reviews" / "demo"
LABELS, WORKFLOWS = DEMO / "support.labels.jsonl.gz", DEMO / "workflows.json"
WIDE, NARROW = (1280, 860), (390, 844)
# More rows of a list show nothing new, and cost bytes.
OF_A_LIST = 560
# The message that the pictures show: short, and plainly one for a person.
SUBJECT = "02666"
TO_ANSWER = 40
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# What a page still fetches or fades in after it was loaded; longer than keys wait for a ticket to be read.
SETTLE_MS = 700


class Console:
    """A running console, its log-ins, and a browser to look at it."""

    def __init__(self, browser: Browser, *, url: str, demo: Path) -> None:
        self.browser, self.url = browser, url.rstrip("/")
        self.passwords = {user["username"]: user["password"] for user in json.loads(demo.read_text())["users"]}
        self.kept: dict[str, Any] = {}

    @contextmanager
    def page(
        self,
        username: str,
        *,
        size: tuple[int, int] = WIDE,
        scheme: Literal["light", "dark"] = "light",
    ) -> Iterator[Page]:
        """A page for somebody who is logged in; one log-in each, however many pages."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            storage_state=self.kept.get(username),
        )
        try:
            page = context.new_page()
            if username not in self.kept:
                page.goto("/login/")
                page.fill("#id_username", username)
                page.fill("#id_password", self.passwords[username])
                page.get_by_role("button", name="Log in").click()
                page.wait_for_url(f"{self.url}/")
                self.kept[username] = context.storage_state()
            yield page
        finally:
            context.close()


@contextmanager
def claimed(page: Page, *desks: str) -> Iterator[Page]:
    """The first ticket of the first of these desks where one waits, taken and afterwards put back."""
    rows = page.locator("#rows tbody tr")
    for desk in desks:
        page.goto(desk)
        if rows.count():
            break
    else:
        raise SystemExit(f"Nothing waits on {desks[-1]}: the pictures need the demo data.")
    rows.first.get_by_role("link").click()
    page.get_by_role("button", name="Take this ticket").click()
    put_back = page.get_by_role("button", name="Put back")
    put_back.wait_for()
    address = page.url
    try:
        yield page
    finally:
        page.goto(address)
        put_back.click()
        put_back.wait_for(state="detached")


def take(page: Page, name: str, *, height: int | None = None) -> None:
    """One picture of what the window shows, or of its upper part."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLE_MS)
    width, whole = page.evaluate("[innerWidth, innerHeight]")
    page.screenshot(
        path=IMAGES / f"{name}.png",
        animations="disabled",
        caret="hide",
        clip={"x": 0, "y": 0, "width": width, "height": height or whole},
    )


def answer_some(page: Page) -> None:
    """Ben's answers to the first messages: approved where the label says so, else rejected as the wrong action.

    Leaves alone what the pictures show, and what takes two acts.
    """
    with gzip.open(LABELS) as lines:
        labels = [json.loads(line) for line in lines]
    workflows = json.loads(WORKFLOWS.read_text())["workflows"]
    titles = {each["key"]: each["title"] for workflow in workflows for each in workflow["actions"]}
    right = {label["external_id"].rpartition("-")[2]: titles[label["right_action"]] for label in labels}
    page.goto("/?workflow=support&reason=low_confidence")
    page.get_by_role("button", name="Start reviewing").click()
    for _ in range(TO_ANSWER):
        page.get_by_role("button", name="Put back").wait_for()
        page.wait_for_timeout(SETTLE_MS)
        address = page.url
        subject = page.locator("h1").inner_text().rpartition(" ")[2]
        why = page.locator(".why li").first.inner_text()
        if subject == SUBJECT or page.locator("#confirmation").count():
            page.keyboard.press("s")
        elif f"the least for “{right[subject]}”." in why:
            page.keyboard.press("a")
        else:
            page.keyboard.press("r")
            page.keyboard.press("1")
        page.wait_for_function("before => location.href !== before", arg=address)
    page.get_by_role("button", name="Put back").click()
    page.get_by_role("button", name="Put back").wait_for(state="detached")


def take_tickets(console: Console, *desks: str) -> None:
    """One ticket, in light, dark and narrow windows, and with the ways to override it open."""
    with console.page("ana") as page, claimed(page, *desks):
        take(page, "ticket-light")
        with console.page("ana", scheme="dark") as dark:
            dark.goto(page.url)
            take(dark, "ticket-dark")
        with console.page("ana", size=NARROW) as narrow:
            narrow.goto(page.url)
            take(narrow, "ticket-narrow")
        page.keyboard.press("o")
        take(page, "override-light")


def take_edit(console: Console, *desks: str) -> None:
    """A draft being changed, with what changed marked."""
    with console.page("ana") as page, claimed(page, *desks):
        page.get_by_role("link", name="Edit").click()
        text = page.locator(".editing textarea").first
        text.wait_for()
        text.fill(text.input_value().replace("Kind regards", "If it happens again, write to us.\n\nKind regards"))
        page.locator("#changes ins").first.wait_for()
        page.evaluate("document.activeElement.blur(); document.querySelector('.editing').scrollIntoView()")
        take(page, "edit-light")


def take_all(console: Console) -> None:
    """Every picture."""
    with console.page("ben") as page:
        answer_some(page)
    with console.page("ana") as page:
        page.goto("/")
        take(page, "desk-light", height=OF_A_LIST)
    take_tickets(console, f"/?workflow=support&text={SUBJECT}", "/?workflow=support&reason=low_confidence")
    take_edit(console, "/?workflow=answers")
    with console.page("omar") as page:
        page.goto("/policies/support/")
        take(page, "policies-light")
        page.goto("/insights/?workflow=support")
        take(page, "insights-light")
        page.goto("/log/")
        take(page, "log-light", height=OF_A_LIST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="address of the running console")
    parser.add_argument("--demo", type=Path, required=True, help="its VAR_DIR/demo.json, for the log-ins")
    given = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        sys.exit("No Chromium on the PATH.")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        flags = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            take_all(Console(browser, url=given.url, demo=given.demo))
        finally:
            browser.close()


if __name__ == "__main__":
    main()
