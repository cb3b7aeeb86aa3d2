import pytest

from policies import queries, services
from policies.models import PolicyVersion
from tests.factories import NOW, ada, omar
from tests.policies.scene import add_row, bob, draft, first_version, publish, row_of, support

pytestmark = pytest.mark.django_db


def rule(version: PolicyVersion, sentence: str) -> None:
    version.rules.create(position=version.rules.count(), expression="confidence < 0.5", sentence=sentence)


def sentences(version: PolicyVersion) -> list[str]:
    return [rule.sentence for rule in queries.rules_of(version)]


def test_a_draft_begins_as_a_copy_of_the_live_version():
    live = first_version()
    version = draft()
    assert queries.document_of(version) == queries.document_of(live)
    assert (version.base, version.number, version.status) == (live, 2, "draft")


def test_a_draft_may_begin_as_a_copy_of_an_earlier_version_on_top_of_the_live_one():
    first = first_version()
    second = publish(least_confidence="0.9")
    version = services.create_draft(workflow=support(), author=ada(), source=first, now=NOW)
    assert row_of(version).least_confidence == row_of(first).least_confidence
    assert version.base == second


def test_a_rebase_takes_over_what_only_the_live_version_changed():
    version_1 = first_version()
    version = draft()
    version.thresholds.filter(action=None).update(verdicts_needed=2)
    add_row(version, model_name="router")
    live = publish(least_confidence="0.99")
    rebased = services.rebase(version, author=bob(), now=NOW)
    assert rebased.conflicts == ()
    assert (rebased.version.base, rebased.version.author) == (live, bob())
    assert str(row_of(rebased.version).least_confidence) == "0.990000"
    assert row_of(rebased.version, "").verdicts_needed == 2
    assert rebased.version.thresholds.filter(model_name="router").exists()
    assert row_of(version_1).version == version_1


def test_a_row_that_both_changed_is_named_and_the_drafts_stands():
    first_version()
    version = draft(least_confidence="0.95")
    publish(least_confidence="0.99")
    rebased = services.rebase(version, author=ada(), now=NOW)
    assert rebased.conflicts == (
        "refund_fee: the live version changed this row too. The draft's stands; look at it again.",
    )
    assert str(row_of(rebased.version).least_confidence) == "0.950000"


def test_a_row_that_the_live_version_dropped_goes():
    first_version()
    version = draft()
    version.thresholds.filter(action=None).update(verdicts_needed=2)
    other = draft()
    other.thresholds.filter(action__key="refund_fee").delete()
    services.publish(other, publisher=ada(), reason="Drop it.", now=NOW)
    rebased = services.rebase(version, author=ada(), now=NOW).version
    assert not rebased.thresholds.filter(action__key="refund_fee").exists()


def test_rules_are_merged_in_the_drafts_order():
    base = draft()
    for sentence in ("kept", "dropped live"):
        rule(base, sentence)
    add_row(base)
    services.publish(base, publisher=ada(), reason="Start.", now=NOW)
    version, other = draft(), draft()
    rule(version, "mine")
    other.rules.filter(sentence="dropped live").delete()
    rule(other, "theirs")
    services.publish(other, publisher=ada(), reason="Other.", now=NOW)
    rebased = services.rebase(version, author=ada(), now=NOW).version
    assert sentences(rebased) == ["kept", "mine", "theirs"]


def test_a_draft_that_is_up_to_date_stays_as_it_is():
    first_version()
    version = draft()
    assert services.rebase(version, author=bob(), now=NOW).version.author == ada()


def test_a_draft_is_discarded_and_a_published_version_never():
    live = first_version()
    version = draft()
    with pytest.raises(services.NotAllowed):
        services.discard_draft(version, author=omar())
    services.discard_draft(version, author=bob())
    assert not PolicyVersion.objects.filter(pk=version.pk).exists()
    with pytest.raises(services.NotADraft):
        services.discard_draft(live, author=ada())
    with pytest.raises(services.NotADraft):
        services.rebase(live, author=ada(), now=NOW)
