"""What the database refuses of policies, tried as the application role, by ORM and by SQL."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError

from policies import queries, services
from policies.models import PolicyVersion, Rule, Switch, Threshold
from tests.factories import NOW, ada, later, make_group, make_live_policy
from tests.policies.scene import add_row, draft, first_version, publish, row_of, support

pytestmark = pytest.mark.django_db


def refuses(statement: str, *values: object) -> str:
    """What the database says to a statement of the application's."""
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
    return str(refused.value)


def test_the_tests_run_as_the_application_role(settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)")
        assert cursor.fetchone() == (settings.DATABASES["default"]["USER"], False)
        cursor.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'policies_policyversion'")
        assert cursor.fetchone() != (settings.DATABASES["default"]["USER"],)


@pytest.mark.parametrize(
    "change",
    [
        "document = '{}'",
        "digest = 'sha256:0'",
        "number = 99",
        "note = 'other'",
        "cause = 'rollback'",
        "base_id = id",
        "author_id = NULL",
        "created_at = now()",
        "published_at = now()",
        "publisher_id = NULL",
        "status = 'draft'",
        "status = 'shadow'",
    ],
)
def test_a_published_version_is_not_changed_by_sql(change):
    live = first_version()
    assert "policy version" in refuses(f"UPDATE policies_policyversion SET {change} WHERE id = %s", live.pk)


@pytest.mark.parametrize(
    "change", [{"document": "{}"}, {"number": 99}, {"note": "other"}, {"author": None}, {"status": "draft"}]
)
def test_a_published_version_is_not_changed_by_the_orm(change):
    live = first_version()
    with pytest.raises(IntegrityError), transaction.atomic():
        PolicyVersion.objects.filter(pk=live.pk).update(**change)
    for name, value in change.items():
        setattr(live, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        live.save()


def test_a_retired_version_never_comes_back():
    first = first_version()
    publish()
    for status in ("live", "shadow", "draft"):
        assert "cannot become" in refuses(
            "UPDATE policies_policyversion SET status = %s WHERE id = %s", status, first.pk
        )
    assert "only its status moves" in refuses(
        "UPDATE policies_policyversion SET retired_at = now() WHERE id = %s", first.pk
    )


def test_rows_of_a_published_version_neither_change_nor_come_nor_go():
    live = first_version()
    row = row_of(live)
    rule_values = {"position": 9, "expression": "true", "sentence": "Odd."}
    for act in (
        lambda: Threshold.objects.filter(pk=row.pk).update(least_confidence="0.1"),
        row.delete,
        lambda: Threshold.objects.create(version=live, model_name="new"),
        lambda: Rule.objects.create(version=live, **rule_values),
    ):
        with pytest.raises(IntegrityError, match="its rows are never changed"), transaction.atomic():
            act()


def test_no_row_moves_between_a_draft_and_a_published_version():
    live = first_version()
    version = draft()
    new = Threshold.objects.create(version=version, model_name="new")
    for row, to in ((new, live), (row_of(live), version)):
        assert "its rows are never changed" in refuses(
            "UPDATE policies_threshold SET version_id = %s, model_name = 'moved' WHERE id = %s", to.pk, row.pk
        )


def test_a_published_version_is_not_deleted():
    live = first_version()
    assert "never deleted" in refuses("DELETE FROM policies_policyversion WHERE id = %s", live.pk)


@pytest.mark.parametrize(
    "table", ["policies_policyversion", "policies_threshold", "policies_rule", "policies_policychange"]
)
def test_nothing_is_emptied(table):
    first_version()
    refused = refuses(f"TRUNCATE {table} CASCADE")
    assert "permission denied" in refused or "never changed" in refused


def test_what_was_done_is_never_rewritten():
    first_version()
    assert "permission denied" in refuses("UPDATE policies_policychange SET reason = 'other'")
    assert "permission denied" in refuses("DELETE FROM policies_policychange")


def test_there_are_not_two_live_versions_or_shadows():
    first_version()
    version = services.shadow(draft(), publisher=ada(), reason="Look.", now=NOW)
    assert "one_live_version_of_a_workflow" in refuses(
        "UPDATE policies_policyversion SET status = 'live', published_at = now() WHERE id = %s", version.pk
    )
    other = draft()
    assert "one_shadow_version_of_a_workflow" in refuses(
        "UPDATE policies_policyversion SET status = 'shadow', document = '{}', digest = 'd' WHERE id = %s", other.pk
    )


def test_nothing_is_live_without_a_document_or_a_time():
    version = services.create_draft(workflow=support(), author=ada(), now=NOW)
    assert "a_published_version_is_pinned" in refuses(
        "UPDATE policies_policyversion SET status = 'live', published_at = now() WHERE id = %s", version.pk
    )
    assert "a_live_version_was_published" in refuses(
        "UPDATE policies_policyversion SET status = 'live', document = '{}', digest = 'd' WHERE id = %s", version.pk
    )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("least_confidence = NULL", "autonomy_needs_a_least_confidence"),
        ("least_confidence = 0", "autonomy_needs_a_least_confidence"),
        ("least_confidence = 1.1", "autonomy_needs_a_least_confidence"),
        ("least_confidence = 'NaN'", "autonomy_needs_a_least_confidence"),
        ("audit_rate = 0", "autonomy_is_audited"),
        ("audit_rate = 1.1", "the_audit_rate_is_a_share"),
        ("audit_rate = 'NaN'", "the_audit_rate_is_a_share"),
        ("basis_reason = ''", "autonomy_has_a_basis"),
        ("verdicts_needed = 0", "one_to_three_verdicts"),
        ("verdicts_needed = 4", "one_to_three_verdicts"),
        ("deliberate_acts = 3", "one_or_two_deliberate_acts"),
        ("largest_amount = 5", "an_amount_names_its_currency"),
        ("daily_amount = 5", "an_amount_names_its_currency"),
        ("model_version = '1.0'", "a_model_version_names_its_model"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(change, constraint):
    row = add_row(services.create_draft(workflow=support(), author=ada(), now=NOW))
    assert constraint in refuses(f"UPDATE policies_threshold SET {change} WHERE id = %s", row.pk)


def test_two_rows_do_not_stand_for_the_same_action_and_model():
    version = services.create_draft(workflow=support(), author=ada(), now=NOW)
    for action in ("refund_fee", ""):
        add_row(version, action)
        with pytest.raises(IntegrityError, match="one_threshold_for_an_action_and_model"), transaction.atomic():
            add_row(version, action)


def test_two_actions_or_versions_do_not_share_a_name():
    first_version()
    with pytest.raises(IntegrityError, match="one_action_of_a_key_in_a_workflow"), transaction.atomic():
        support().actions.create(key="refund_fee", title="Again", reversibility="reversible")
    with pytest.raises(IntegrityError, match="one_policy_version_of_a_number"), transaction.atomic():
        PolicyVersion.objects.create(workflow=support(), number=1, created_at=NOW)


def test_the_global_switch_is_one_row_and_stays():
    assert "permission denied" in refuses("INSERT INTO policies_switch (id, paused) VALUES (2, false)")
    assert "permission denied" in refuses("DELETE FROM policies_switch")
    assert "one_global_switch" in refuses("UPDATE policies_switch SET id = 2")
    assert Switch.objects.count() == 1


def test_what_may_move_moves():
    live = first_version()
    PolicyVersion.objects.filter(pk=live.pk).update(status="retired", retired_at=later(hours=1))
    assert queries.live_version_id(support().pk) is None


def test_a_group_that_a_rule_in_force_asks_is_neither_renamed_nor_deleted():
    fraud, spare = make_group("Fraud"), make_group("Spare")
    make_live_policy(rules=[{"expression": "amount > 20.0", "sentence": "A large sum.", "group": "Fraud"}])
    assert "its name stays" in refuses("UPDATE auth_group SET name = 'Frauds' WHERE id = %s", fraud.pk)
    with pytest.raises(ProtectedError):
        fraud.delete()
    spare.name = "Other"
    spare.save()
    make_live_policy()  # Once no rule in force names it, it is free.
    fraud.name = "Frauds"
    fraud.save()
