"""A real Chromium in front of the real server; where there is none, these tests say so and are left out."""

import os
import shutil
from pathlib import Path

import pytest
from django.conf import settings

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="browser tests left out: no Chromium on this machine"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    flags = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync"]
    flags.append("--disable-background-networking")
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": flags}


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(params=[1440, 390])
def width(request):
    return request.param


@pytest.fixture
def window(browser, live_server, scheme, width):
    """A browser window for each scheme and width; nobody is logged in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900 if width > 800 else 844}, color_scheme=scheme, base_url=live_server.url
    )
    yield context
    context.close()


@pytest.fixture
def page_of(window, live_server, client):
    """Opens a page in it for somebody who is logged in."""

    def opened(user):
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        window.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        return window.new_page()

    return opened
