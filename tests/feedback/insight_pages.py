"""The insights pages, as a browser of somebody who oversees gets them."""

import re

from django.test import Client as Browser

from tests.factories import omar


def browse(user) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def page(path: str, *, user=None, **query) -> str:
    answer = browse(user or omar()).get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace("\u00a0", " ")
