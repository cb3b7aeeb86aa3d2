import json
import threading

import pytest
from django.db import IntegrityError, connection, transaction

from policies import queries, services
from policies.domain.spec import digest_of
from policies.models import PolicyChange, PolicyVersion, Threshold
from tests.factories import NOW, ada, ana, ines, later, omar
from tests.policies.scene import add_row, bob, draft, first_version, support

pytestmark = pytest.mark.django_db


def test_a_published_version_pins_all_that_judging_uses():
    live = first_version()
    document = json.loads(live.document)
    assert live.status == "live"
    assert live.digest == digest_of(document)
    assert document["workflow"] == "support"
    assert document["actions"]["close_account"]["reversibility"] == "irreversible"
    assert [row["least_confidence"] for row in document["thresholds"]] == [None, "0.85"]
    support().actions.update(title="Renamed")
    policy = queries.live_policy(support().pk)
    assert policy is not None
    assert policy.actions["refund_fee"].title == "Refund fee"


def test_the_former_version_retires_and_the_change_is_kept():
    former = first_version()
    new = services.publish(draft(least_confidence="0.9"), publisher=ada(), reason=" Fewer errors. ", now=later(hours=1))
    former.refresh_from_db()
    assert (former.status, former.retired_at) == ("retired", later(hours=1))
    assert (new.number, new.published_at, new.publisher) == (2, later(hours=1), ada())
    kept = PolicyChange.objects.latest("pk")
    assert (kept.kind, kept.actor, kept.reason, kept.version) == ("published", ada(), "Fewer errors.", new)
    assert kept.detail == {"version": 2, "digest": new.digest, "cause": "edit"}
    policy = queries.live_policy(support().pk)
    assert policy is not None
    assert policy.number == 2


def test_what_is_live_is_known_by_one_query_once_it_was_read(django_assert_num_queries):
    live = first_version()
    queries.live_policy(live.workflow_id)
    with django_assert_num_queries(1):
        policy = queries.live_policy(live.workflow_id)
    assert policy is queries.policy_of_version(live.pk)


def test_a_draft_whose_base_is_no_longer_live_is_refused():
    first_version()
    first, second = draft(), draft()
    services.publish(first, publisher=ada(), reason="First.", now=NOW)
    with pytest.raises(services.BaseNotLive, match="Version 2 is live now, and this draft stands on version 1"):
        services.publish(second, publisher=ada(), reason="Second.", now=NOW)
    assert PolicyVersion.objects.of(support()).live().get() == first


def test_a_draft_without_a_base_is_refused_once_something_is_live():
    first_version()
    stray = PolicyVersion.objects.create(workflow=support(), number=9, author=ada(), created_at=NOW)
    Threshold.objects.create(version=stray)
    with pytest.raises(services.BaseNotLive, match="this draft stands on nothing"):
        services.publish(stray, publisher=ada(), reason="Why not.", now=NOW)


def test_what_was_published_is_not_published_again():
    with pytest.raises(services.NotADraft):
        services.publish(first_version(), publisher=ada(), reason="Again.", now=NOW)


def test_publishing_says_why():
    first_version()
    with pytest.raises(services.ReasonMissing):
        services.publish(draft(), publisher=ada(), reason=" \n", now=NOW)


@pytest.mark.parametrize("person", [omar, ana, ines])
def test_only_admins_draft_and_publish(person):
    first_version()
    version = draft()
    with pytest.raises(services.NotAllowed):
        services.create_draft(workflow=support(), author=person(), now=NOW)
    with pytest.raises(services.NotAllowed):
        services.publish(version, publisher=person(), reason="Mine.", now=NOW)
    with pytest.raises(services.NotAllowed):
        services.shadow(version, publisher=person(), reason="Mine.", now=NOW)


def test_with_two_admins_nobody_publishes_what_they_wrote(settings):
    first_version()
    settings.POLICY_TWO_ADMINS = True
    version = draft()
    with pytest.raises(services.SecondAdminNeeded):
        services.publish(version, publisher=ada(), reason="Mine.", now=NOW)
    assert services.publish(version, publisher=bob(), reason="Read it.", now=NOW).status == "live"


def test_every_problem_is_named_at_once_with_its_place():
    live = first_version()
    version = draft()
    support().actions.filter(key="refund_fee").update(
        payload_schema={"type": "nonsense"}, amount_pointer="amount", layout={"/message": "mirror"}
    )
    version.rules.create(position=0, expression="amount >> 3", sentence="Odd.")
    version.rules.create(position=1, expression="amounts > 3.0", sentence=" ")
    with pytest.raises(services.InvalidPolicy) as refused:
        services.publish(version, publisher=ada(), reason="Try.", now=NOW)
    places = {error.pointer: error for error in refused.value.errors}
    assert set(places) == {
        "/actions/refund_fee/payload_schema",
        "/actions/refund_fee/amount_pointer",
        "/actions/refund_fee/layout",
        "/rules/0/expression",
        "/rules/1/expression",
        "/rules/1/sentence",
    }
    assert places["/rules/0/expression"].position == 8
    assert places["/rules/1/expression"].position == 0
    assert PolicyVersion.objects.of(support()).live().get() == live


def test_a_schema_may_not_fetch_parts_from_elsewhere():
    first_version()
    version = draft()
    support().actions.filter(key="refund_fee").update(
        payload_schema={"properties": {"a": {"$ref": "http://elsewhere.example/schema"}}}
    )
    with pytest.raises(services.InvalidPolicy, match="only refer to its own parts"):
        services.publish(version, publisher=ada(), reason="Try.", now=NOW)


def test_a_version_without_rows_is_refused():
    version = services.create_draft(workflow=support(), author=ada(), now=NOW)
    with pytest.raises(services.InvalidPolicy, match="There is no row"):
        services.publish(version, publisher=ada(), reason="Empty.", now=NOW)


def test_autonomy_for_an_irreversible_action_may_be_written_down():
    first_version()
    version = draft()
    add_row(version, "close_account", least_confidence="0.99")
    assert services.publish(version, publisher=ada(), reason="Try.", now=NOW).status == "live"


def test_a_shadow_is_pinned_and_can_be_published():
    first_version()
    shadow = services.shadow(draft(), publisher=ada(), reason="See what it would do.", now=NOW)
    assert (shadow.status, shadow.published_at) == ("shadow", None)
    assert queries.shadow_version_id(shadow.workflow_id) == shadow.pk
    support().actions.update(title="Renamed")
    published = services.publish(shadow, publisher=ada(), reason="It does well.", now=NOW)
    assert (published.status, published.digest) == ("live", shadow.digest)


def test_a_second_shadow_takes_the_place_of_the_first():
    first_version()
    first, second = draft(), draft()
    services.shadow(first, publisher=ada(), reason="One.", now=NOW)
    services.shadow(second, publisher=ada(), reason="Two.", now=NOW)
    first.refresh_from_db()
    assert first.status == "retired"
    assert queries.shadow_version_id(second.workflow_id) == second.pk
    services.retire_shadow(second, actor=ada(), reason="Seen enough.", now=NOW)
    assert queries.shadow_version_id(second.workflow_id) is None
    with pytest.raises(services.NotInShadow):
        services.retire_shadow(second, actor=ada(), reason="Again.", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_publishing_waits_out_what_is_being_submitted():
    first_version()
    version, publisher = draft(), ada()
    order: list[str] = []

    def publishes() -> None:
        services.publish(version, publisher=publisher, reason="Now.", now=NOW)
        order.append("published")
        connection.close()

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(7002, %s)", [version.workflow_id])
        thread = threading.Thread(target=publishes)
        thread.start()
        thread.join(timeout=0.3)
        order.append("submitted")
    thread.join()
    assert order == ["submitted", "published"]


@pytest.mark.django_db(transaction=True)
def test_no_row_slips_into_a_version_while_it_is_published():
    first_version()
    version = draft()
    outcome: list[str] = []

    def adds_a_row() -> None:
        try:
            Threshold.objects.create(version_id=version.pk, model_name="intruder")
            outcome.append("added")
        except IntegrityError as error:
            outcome.append(str(error))
        connection.close()

    with transaction.atomic():
        services.publish(version, publisher=ada(), reason="Now.", now=NOW)
        thread = threading.Thread(target=adds_a_row)
        thread.start()
        thread.join(timeout=0.3)
    thread.join()
    assert "its rows are never changed" in outcome[0]
