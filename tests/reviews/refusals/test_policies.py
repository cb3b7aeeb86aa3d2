"""What the database refuses of published policies by itself, tried as the application role."""

from decimal import Decimal

import pytest

from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion, Threshold
from tests.factories import NOW, later, make_live_policy
from tests.reviews.refusals.refusing import copy_of, refused, run, saved

pytestmark = pytest.mark.django_db


def test_two_live_versions_of_one_workflow():
    version = make_live_policy()
    with refused(by="one_live_version_of_a_workflow"):
        PolicyVersion.objects.create(
            workflow=version.workflow,
            number=99,
            status=VersionStatus.LIVE,
            document="{}",
            digest="sha256:0",
            created_at=NOW,
            published_at=NOW,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"document": "{}"},
        {"digest": "sha256:0"},
        {"number": 77},
        {"note": "Nothing to see here."},
        {"cause": "rollback"},
        {"published_at": later(days=-9)},
        {"created_at": later(days=-9)},
        {"status": VersionStatus.DRAFT},
        {"status": VersionStatus.SHADOW},
    ],
)
def test_a_published_version_that_changes_beyond_its_status(changes):
    version = make_live_policy()
    with refused(by="policy version"):
        PolicyVersion.objects.filter(pk=version.pk).update(**changes)


def test_a_published_version_that_goes_or_comes_back():
    version = make_live_policy()
    with refused(by="never deleted"):
        run("DELETE FROM policies_policyversion WHERE id = %s", version.pk)
    PolicyVersion.objects.filter(pk=version.pk).update(status=VersionStatus.RETIRED, retired_at=NOW)
    with refused(by="cannot become live"):
        PolicyVersion.objects.filter(pk=version.pk).update(status=VersionStatus.LIVE)


def test_rows_of_a_published_version_that_change():
    version = make_live_policy()
    row = version.thresholds.get()
    with refused(by="its rows are never changed"):
        Threshold.objects.filter(pk=row.pk).update(least_confidence=Decimal("0.1"))
    with refused(by="its rows are never changed"):
        row.delete()
    with refused(by="its rows are never changed"):
        saved(copy_of(row, id=None, model_name="another"))
