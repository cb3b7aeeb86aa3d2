"""The list of guards keeps up with the code: each still stands where it is said to stand, once."""

import pytest

from tests.faults.guards import GUARDS
from tests.product import ROOT


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_stands_once_where_it_is_removed_and_its_tests_exist(guard):
    assert (ROOT / guard.path).read_text().count(guard.text) == 1
    path, _, name = guard.tests.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text() if name else (ROOT / path).exists()


def test_there_are_at_least_twelve():
    assert len({(guard.path, guard.text) for guard in GUARDS}) >= 12
