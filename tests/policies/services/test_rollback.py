import pytest

from policies import services
from policies.models import PolicyChange
from tests.factories import NOW, ada, later, omar
from tests.policies.scene import REASON, add_row, bob, draft, first_version, publish, row_of, support

pytestmark = pytest.mark.django_db


def withdraw(action: str = "refund_fee", **of: str) -> None:
    of = {"model_name": "", "model_version": "", **of}
    services.withdraw_autonomy(support(), action=action, reason="Too many errors.", evidence={"n": 90}, now=NOW, **of)


def test_a_rollback_publishes_the_old_content_under_a_new_number():
    first = first_version()
    second = publish(least_confidence="0.9")
    support().actions.filter(key="refund_fee").update(reversibility="irreversible")
    back = services.roll_back(support(), to=first, publisher=ada(), reason="Worse than before.", now=later(hours=1))
    assert (back.number, back.status, back.cause, back.base) == (3, "live", "rollback", second)
    assert back.document == first.document
    assert back.digest == first.digest
    kept = PolicyChange.objects.latest("pk")
    assert (kept.kind, kept.actor, kept.reason) == ("rolled_back", ada(), "Worse than before.")
    assert kept.detail["to"] == 1


def test_what_evidence_withdrew_stays_withdrawn():
    first = first_version()
    withdraw()
    back = services.roll_back(support(), to=first, publisher=ada(), reason="Back.", now=NOW)
    assert row_of(back).autonomy == "withdrawn"
    assert '"autonomy":"withdrawn"' in back.document


def test_it_stays_withdrawn_even_when_a_draft_dropped_the_row_meanwhile():
    first = first_version()
    withdraw()
    version = draft()
    version.thresholds.filter(action__key="refund_fee").delete()
    services.publish(version, publisher=ada(), reason="Tidy.", now=NOW)
    back = services.roll_back(support(), to=first, publisher=ada(), reason="Back.", now=NOW)
    assert row_of(back).autonomy == "withdrawn"


def test_a_withdrawn_row_that_the_old_version_lacks_is_kept():
    first = first_version()
    version = draft()
    add_row(version, model_name="router", basis_reason="Watched for a month.")
    services.publish(version, publisher=ada(), reason="For this model.", now=NOW)
    withdraw(model_name="router")
    back = services.roll_back(support(), to=first, publisher=ada(), reason="Back.", now=NOW)
    assert row_of(back).autonomy == "by_confidence"
    assert back.thresholds.get(model_name="router").autonomy == "withdrawn"


def test_a_narrower_old_row_does_not_let_what_was_withdrawn_out_again():
    version = draft()
    add_row(version, model_name="router", model_version="1.0", basis_reason="Watched for a month.")
    first = services.publish(version, publisher=ada(), reason="For one version.", now=NOW)
    version = draft()
    version.thresholds.all().delete()
    add_row(version, model_name="router", basis_reason="Watched for a year.")
    services.publish(version, publisher=ada(), reason="For any version.", now=NOW)
    withdraw(model_name="router")
    back = services.roll_back(support(), to=first, publisher=ada(), reason="Back.", now=NOW)
    assert set(back.thresholds.values_list("autonomy", flat=True)) == {"withdrawn"}


def test_a_new_written_reason_restores_a_row():
    first = first_version()
    withdraw()
    back = services.roll_back(
        support(),
        to=first,
        publisher=ada(),
        reason="Back.",
        now=NOW,
        restored={("refund_fee", "", ""): "The errors came from a broken form, which is mended."},
    )
    assert row_of(back).autonomy == "by_confidence"
    assert row_of(back).basis_reason.startswith("The errors came")


def test_the_old_reason_again_is_no_new_reason():
    first = first_version()
    withdraw()
    with pytest.raises(services.InvalidPolicy, match="evidence withdrew what this row stands on"):
        services.roll_back(
            support(), to=first, publisher=ada(), reason="Back.", now=NOW, restored={("refund_fee", "", ""): REASON}
        )


def test_a_draft_does_not_bring_back_what_was_withdrawn_either():
    first_version()
    withdraw()
    version = draft(autonomy="by_confidence")
    with pytest.raises(services.InvalidPolicy, match="evidence withdrew what this row stands on"):
        services.publish(version, publisher=ada(), reason="Let it.", now=NOW)
    version.thresholds.filter(action__key="refund_fee").update(certificate_id="c-2", basis_reason="")
    assert services.publish(version, publisher=ada(), reason="Certified.", now=NOW).status == "live"


def test_with_two_admins_one_alone_rolls_back_but_gives_no_autonomy_back(settings):
    first = first_version()
    withdraw()
    settings.POLICY_TWO_ADMINS = True
    with pytest.raises(services.SecondAdminNeeded):
        services.roll_back(
            support(), to=first, publisher=bob(), reason="Back.", now=NOW, restored={("refund_fee", "", ""): "Mended."}
        )
    assert services.roll_back(support(), to=first, publisher=bob(), reason="Back.", now=NOW).status == "live"


def test_only_admins_roll_back_and_only_to_what_was_in_force():
    first = first_version()
    with pytest.raises(services.NeverPublished):
        services.roll_back(support(), to=first, publisher=ada(), reason="It is live.", now=NOW)
    with pytest.raises(services.NeverPublished):
        services.roll_back(support(), to=draft(), publisher=ada(), reason="A draft.", now=NOW)
    shadow = services.shadow(draft(), publisher=ada(), reason="Look.", now=NOW)
    services.retire_shadow(shadow, actor=ada(), reason="Seen.", now=NOW)
    with pytest.raises(services.NeverPublished):
        services.roll_back(support(), to=shadow, publisher=ada(), reason="A shadow.", now=NOW)
    with pytest.raises(services.NotAllowed):
        services.roll_back(support(), to=first, publisher=omar(), reason="A lead.", now=NOW)
