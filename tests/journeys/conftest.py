import json
import tempfile
from pathlib import Path

import pytest

from tests.product import start_product


def pytest_collection_modifyitems(items):
    """Journeys share one running product, so they run in one worker."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)
            item.add_marker(pytest.mark.xdist_group("journeys"))


@pytest.fixture(scope="session")
def product():
    """The whole console with demo data but nobody posting. Shared by a session, so a journey makes its own rows."""
    with tempfile.TemporaryDirectory(prefix="cs-product-", ignore_cleanup_errors=True) as directory:
        running = start_product(Path(directory), "--no-demo-stream")
        try:
            running.wait_until_ready()
            running.demo = json.loads((running.var_dir / "demo.json").read_text())
            yield running
        finally:
            if running.supervisor.poll() is None:
                running.stop()
