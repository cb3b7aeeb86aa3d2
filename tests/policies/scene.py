"""A workflow with two actions, and policies for it, as plain functions."""

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from policies import services
from policies.models import PolicyVersion, Threshold, Workflow
from tests import factories
from tests.factories import NOW, ada

REASON = "Half a year with a person at each step."


def bob() -> User:
    """The second admin, who is no superuser."""
    return factories.make_user("bob", groups=[factories.ADMINS], is_staff=True)


def support() -> Workflow:
    """The workflow `support` with `refund_fee`, which is reversible, and `close_account`, which isn't."""
    workflow = factories.make_workflow()
    factories.make_action(workflow)
    factories.make_action(workflow, "close_account", reversibility="irreversible")
    return workflow


def first_version() -> PolicyVersion:
    """Version 1 in force: nothing runs alone but `refund_fee`, from 0.85 upward."""
    draft = services.create_draft(workflow=support(), author=ada(), now=NOW)
    Threshold.objects.create(version=draft, audit_rate=0)
    add_row(draft, largest_amount=50, currency="EUR")
    return services.publish(draft, publisher=ada(), reason="A careful start.", now=NOW)


def add_row(draft: PolicyVersion, action: str = "refund_fee", **values: Any) -> Threshold:
    """A row by which `action` ("": any) runs alone, from 0.85 upward unless said otherwise."""
    defaults = {"autonomy": "by_confidence", "least_confidence": Decimal("0.85"), "basis_reason": REASON}
    of = draft.workflow.actions.get(key=action) if action else None
    return Threshold.objects.create(version=draft, action=of, **{**defaults, **values})


def draft(**values: Any) -> PolicyVersion:
    """A new draft on what is live, with these `values` in the row of `refund_fee`."""
    version = services.create_draft(workflow=support(), author=ada(), now=NOW)
    if values:
        version.thresholds.filter(action__key="refund_fee").update(**values)
    return version


def publish(**values: Any) -> PolicyVersion:
    """A new version in force, with these `values` in the row of `refund_fee`."""
    return services.publish(draft(**values), publisher=ada(), reason="A change.", now=NOW)


def row_of(version: PolicyVersion, action: str = "refund_fee") -> Threshold:
    """The row of `action` ("": the default) for any model."""
    return version.thresholds.get(action__key=action or None, model_name="")
