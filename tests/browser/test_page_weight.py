"""What the pages weigh, compressed: everything that a browser loads but the words."""

import gzip
import re
from pathlib import Path

from django.contrib.staticfiles import finders

BASE = Path(__file__).resolve().parents[2] / "templates" / "base.html"
LIMIT = 60 * 1024


def test_css_and_javascript_together_are_at_most_60_kb_compressed(record_property):
    names = re.findall(
        r"{% static '([^']+\.(?:css|js))' %}", BASE.read_text() + (BASE.parent / "bare.html").read_text()
    )
    weights = {name: len(gzip.compress(Path(str(finders.find(name))).read_bytes(), 9)) for name in names}
    total = sum(weights.values())
    record_property("figure", f"CSS and JavaScript, compressed: {total / 1024:.1f} KB of {LIMIT // 1024}.")
    assert len(weights) >= 7
    assert total <= LIMIT, weights
