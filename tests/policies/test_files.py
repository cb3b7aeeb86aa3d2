from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from hypothesis import given, settings

from policies import queries, services
from policies.domain.files import from_yaml, to_yaml
from policies.domain.spec import SpecError, digest_of
from policies.models import ActionType, PolicyVersion
from tests.factories import NOW, ada, omar
from tests.policies.scene import add_row, draft, first_version, publish, row_of, support
from tests.policies.strategies import policies

database = pytest.mark.django_db


def policy(*arguments: str) -> str:
    out = StringIO()
    call_command("policy", *arguments, stdout=out)
    return out.getvalue()


@settings(max_examples=100, deadline=None)
@given(policy=policies())
def test_a_policy_reads_back_from_yaml_with_the_same_digest(policy):
    document = policy.to_document()
    assert digest_of(from_yaml(to_yaml(document, heading="A policy"))) == digest_of(document)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text + "\nworkflow: other\n", "'workflow' stands twice"),
        (lambda text: text.replace("rules:", "rulez:"), "rule"),
        (lambda text: "- just a list", "A policy is an object"),
        (lambda text: "{", "no YAML"),
        (lambda text: "!!python/object/apply:os.system [ls]", "no YAML"),
        (lambda text: text.replace("autonomy: by_confidence", "autonomy: always"), "autonomy"),
        (lambda text: text.replace("'0.85'", "0.85"), "least_confidence"),
        (lambda text: text.replace("'0.85'", "'0.850'"), "isn't written as an export writes it"),
    ],
)
@database
def test_what_is_no_policy_is_refused_with_the_place(change, told):
    first_version()
    with pytest.raises(SpecError, match=told):
        from_yaml(change(policy("export", "support")))


@database
def test_an_export_names_version_and_digest(tmp_path):
    live = first_version()
    text = policy("export", "support")
    assert text.startswith(f"# Support, version 1 (live)\n# {live.digest}\n")
    publish(least_confidence="0.9")
    assert policy("export", "support@1").replace("(retired)", "(live)") == text


@database
def test_an_import_makes_a_draft_that_has_the_same_digest_when_it_is_published(tmp_path):
    first = first_version()
    version = draft()
    version.rules.create(
        position=0, expression="amount > 9.0", sentence="More than nine.", group=Group.objects.get(name="Support")
    )
    add_row(version, model_name="router", model_version="1.0", alpha="0.01", delta="0.05", basis_holds_until=NOW)
    second = services.publish(version, publisher=ada(), reason="More.", now=NOW)
    file = tmp_path / "support.yaml"
    file.write_text(policy("export", "support"))
    services.roll_back(support(), to=first, publisher=ada(), reason="Less.", now=NOW)
    support().actions.filter(key="refund_fee").update(title="Renamed", hold_seconds=9)
    assert second.digest in policy("import", str(file), "--author", "ada", "--note", "From git.")
    imported = PolicyVersion.objects.drafts().get()
    assert (imported.note, imported.author, imported.base.number) == ("From git.", ada(), 3)
    assert services.publish(imported, publisher=ada(), reason="From git.", now=NOW).digest == second.digest


@database
def test_an_import_writes_actions_that_are_missing_and_keeps_their_history(tmp_path):
    first_version()
    text = policy("export", "support").replace("refund_fee", "refund_all").replace("Refund fee", "Refund all")
    ActionType.objects.filter(key="close_account").update(title="Kept")
    file = tmp_path / "support.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match="The action refund_fee is registered here"):
        policy("import", str(file), "--author", "ada")
    assert not ActionType.objects.filter(key="refund_all").exists()
    assert ActionType.objects.get(key="close_account").title == "Kept"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("workflow: support", "workflow: nowhere"), "There is no workflow called nowhere"),
        (("group: ''", "group: Nobody"), "There is no group called Nobody"),
        (("action: refund_fee", "action: close_it"), "names the action close_it"),
    ],
)
@database
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, told):
    first_version()
    version = draft()
    version.rules.create(position=0, expression="amount > 9.0", sentence="More than nine.")
    services.publish(version, publisher=ada(), reason="More.", now=NOW)
    file = tmp_path / "support.yaml"
    file.write_text(policy("export", "support").replace(*change))
    with pytest.raises(CommandError, match=told):
        policy("import", str(file), "--author", "ada")
    assert not PolicyVersion.objects.drafts().exists()


@database
def test_only_an_admin_is_the_author_of_an_import(tmp_path):
    first_version()
    file = tmp_path / "support.yaml"
    file.write_text(policy("export", "support"))
    for name, told in ((omar().username, "Only admins"), ("nobody", "no user called nobody")):
        with pytest.raises(CommandError, match=told):
            policy("import", str(file), "--author", name)


@database
def test_a_difference_is_told_in_words_and_by_the_exit_code(tmp_path, capsys):
    first_version()
    file = tmp_path / "support.yaml"
    file.write_text(policy("export", "support"))
    assert policy("diff", str(file), "support") == ""
    version = publish(least_confidence="0.9")
    assert row_of(version).least_confidence is not None
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("policy", "diff", str(file), "support@2", stdout=out)
    assert left.value.code == 1
    assert out.getvalue() == (
        "tightens: refund_fee: it runs alone from a confidence of 0.9; "
        "before, it runs alone from a confidence of 0.85.\n"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [("nowhere", "neither a file nor a workflow"), ("support@9", "no version 9"), ("support@x", "x is no number")],
)
@database
def test_a_version_that_is_not_there_is_named(name, told):
    first_version()
    with pytest.raises(CommandError, match=told):
        policy("export", name)


@database
def test_where_nothing_is_live_there_is_nothing_to_export():
    support()
    with pytest.raises(CommandError, match="Nothing is live in support"):
        policy("export", "support")
    assert queries.live_version_id(support().pk) is None
