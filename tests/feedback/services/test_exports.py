"""Training data leaves as files, whole, once, and without what is personal or known."""

import json
import stat
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from pyarrow import parquet

from feedback.domain.vocabulary import ExportFormat, ExportShape, RunState
from feedback.models import Export
from feedback.services import (
    NotAllowed,
    NotReady,
    ParquetNotInstalled,
    collect_labels,
    file_of,
    request_export,
    run_export,
    unfinished_exports,
)
from feedback.services import exports as services
from feedback.services.parquet import COLUMNS
from reviews.domain.vocabulary import EventKind
from reviews.models import Event, Ticket
from reviews.services.settle import settle_due
from tests.factories import (
    ana,
    gate_of,
    later,
    make_action,
    make_client,
    make_live_policy,
    make_workflow,
    omar,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
EDITED = {"message": "Dear customer, topping up is free.", "amount": "12.00", "currency": "EUR"}


@pytest.fixture(autouse=True)
def policy(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    make_action(make_workflow(), personal_fields=["/message"])
    make_live_policy()


def decided(kind: str = "approve", **changes) -> str:
    """The external id of a decision that Ana answered."""
    decision = submit_one(confidence=0.62)
    decide(gate_of(decision), ana(), kind, **changes)
    settle_due(now=later(minutes=1))
    return decision.external_id


def asked(shape: ExportShape = ExportShape.DECISIONS, **changes) -> Export:
    return request_export(user=omar(), workflow=make_workflow(), shape=shape, now=later(minutes=2), **changes)


def lines_of(export: Export) -> list[dict]:
    return [json.loads(line) for line in file_of(export, user=omar()).read_bytes().splitlines()]


def test_omar_fetches_a_line_for_each_decision_that_somebody_answered():
    names = [decided(), decided("reject"), decided("edit", payload=EDITED, material=False)]
    submit_one(confidence=0.62)  # nobody has answered this one
    export = run_export(asked().pk, now=later(minutes=3))
    assert export.state == RunState.DONE
    lines = lines_of(export)
    assert [line["external_id"] for line in lines] == names
    assert [line["verdicts"][0]["kind"] for line in lines] == ["approve", "reject", "edit"]
    assert lines[0]["recommendation"]["confidence"] == "0.62"
    assert lines[1]["verdicts"][0]["reason_code"] == "wrong_action"


def test_what_is_marked_personal_is_left_out_of_recommendation_and_edit():
    decided("edit", payload=EDITED, material=False)
    export = run_export(asked().pk, now=later(minutes=3))
    text = file_of(export, user=omar()).read_text()
    assert "topping up" not in text.lower()
    assert '"12.00"' in text


def test_known_answers_are_left_out():
    client, _ = make_client("Known answers", internal=True)
    decision = submit_one(client=client, confidence=0.62)
    decide(Ticket.objects.get(decision=decision), ana())
    settle_due(now=later(minutes=1))
    assert lines_of(run_export(asked().pk, now=later(minutes=3))) == []


def test_the_manifest_tells_how_many_lines_and_which_bytes():
    decided()
    export = run_export(asked().pk, now=later(minutes=3))
    raw = file_of(export, user=omar()).read_bytes()
    assert export.result["sha256"] == sha256(raw).hexdigest()
    assert (export.result["lines"], export.result["bytes"]) == (1, len(raw))
    assert stat.S_IMODE(file_of(export, user=omar()).stat().st_mode) == 0o600
    assert Event.objects.filter(kind=EventKind.EXPORTED, user=omar()).count() == 1


def test_only_what_was_received_in_the_time_asked_for_is_exported():
    decided()
    assert lines_of(run_export(asked(since=later(days=1)).pk, now=later(minutes=3))) == []
    assert lines_of(run_export(asked(until=later(days=-1)).pk, now=later(minutes=3))) == []
    assert len(lines_of(run_export(asked(since=later(days=-1), until=later(days=1)).pk, now=later(minutes=3)))) == 1


def test_only_the_action_and_model_asked_for_are_exported_and_the_manifest_says_which():
    decided()
    model = ("support-router", "1.0")
    export = run_export(asked(action="refund_fee", model=model).pk, now=later(minutes=3))
    assert len(lines_of(export)) == 1
    assert export.result["query"]["action"] == "refund_fee"
    assert (export.result["query"]["model_name"], export.result["query"]["model_version"]) == model
    for other in ({"action": "trace_top_up"}, {"model": ("another", "")}, {"model": ("support-router", "1.1")}):
        assert lines_of(run_export(asked(**other).pk, now=later(minutes=3))) == []


def test_pairs_are_made_of_changed_proposals_only():
    decided()
    decided("edit", payload={**EDITED, "amount": "9.00"}, material=True)
    (line,) = lines_of(run_export(asked(ExportShape.PREFERENCES).pk, now=later(minutes=3)))
    assert json.loads(line["chosen"][0]["content"])["payload"]["amount"] == "9.00"
    assert json.loads(line["rejected"][0]["content"])["payload"]["amount"] == "12.00"


def test_a_worker_that_died_half_way_leaves_no_line_twice(monkeypatch):
    names = [decided() for _ in range(5)]
    export = asked()
    monkeypatch.setattr(services, "STRETCH", 2)
    services._write_stretch(export.pk, now=later(minutes=3))
    path = services._directory() / f"{export.pk}.jsonl"
    with path.open("ab") as file:
        file.write(b'{"half": "a li')  # written, but the row does not know of it
    assert export.pk in unfinished_exports()
    assert [line["external_id"] for line in lines_of(run_export(export.pk, now=later(minutes=4)))] == names
    assert unfinished_exports() == []


def test_an_unfinished_export_has_no_file_to_fetch():
    with pytest.raises(NotReady):
        file_of(asked(), user=omar())


def test_ana_exports_nothing():
    with pytest.raises(NotAllowed):
        request_export(user=ana(), workflow=make_workflow(), shape=ExportShape.DECISIONS, now=later())
    with pytest.raises(NotAllowed):
        file_of(run_export(asked().pk, now=later(minutes=3)), user=ana())


def test_what_went_wrong_is_kept_with_the_export(monkeypatch):
    export = asked()
    monkeypatch.setitem(services.SHAPES, ExportShape.DECISIONS, None)
    decided()
    with pytest.raises(TypeError):
        run_export(export.pk, now=later(minutes=3))
    export.refresh_from_db()
    assert export.state == RunState.FAILED
    assert export.error


def test_the_command_writes_the_same_lines(tmp_path):
    names = [decided(), decided()]
    call_command("export_training_data", "support", to=str(tmp_path / "out.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["external_id"] for line in lines] == names
    for other in ("--action=x", "--model=x", "--model-version=x"):
        call_command("export_training_data", "support", other, to=str(tmp_path / "out.jsonl"))
        assert (tmp_path / "out.jsonl").read_bytes() == b""
    with pytest.raises(CommandError, match="no workflow 'nowhere'"):
        call_command("export_training_data", "nowhere")
    with pytest.raises(CommandError, match="no moment"):
        call_command("export_training_data", "support", "--since", "yesterday")


# --- Parquet ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shape", list(ExportShape))
def test_parquet_holds_what_the_lines_hold_with_a_type_for_each_column(shape):
    decided()
    decided("edit", payload={**EDITED, "amount": "9.00"}, material=True)
    collect_labels(now=later(minutes=2))
    lines = lines_of(run_export(asked(shape).pk, now=later(minutes=3)))
    export = run_export(asked(shape, format=ExportFormat.PARQUET).pk, now=later(minutes=3))
    path = file_of(export, user=omar())
    table = parquet.read_table(path)
    assert lines
    assert table.column_names == list(COLUMNS[shape])
    plain = [
        {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in line.items()}
        for line in lines
    ]
    again = [
        {name: json.dumps(json.loads(cell)) if str(cell)[:1] in "[{" else cell for name, cell in row.items()}
        for row in table.to_pylist()
    ]
    assert again == plain
    assert export.result["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert export.result["bytes"] == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.suffix for each in path.parent.glob(f"{export.pk}*")] == [".parquet"]
    if shape == ExportShape.LABELS:
        types = {field.name: str(field.type) for field in table.schema}
        assert (types["ai_was_right"], types["label_probability"]) == ("bool", "double")


def test_without_pyarrow_everything_else_works_and_the_page_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("feedback.services.parquet.pyarrow", None)
    decided()
    with pytest.raises(ParquetNotInstalled):
        asked(format=ExportFormat.PARQUET)
    browser = Browser()
    browser.force_login(omar())
    sent = {"workflow": make_workflow().pk, "shape": "decisions", "format": "parquet"}
    answer = browser.post("/insights/exports/", sent)
    assert answer.status_code == 422
    assert "pip install pyarrow" in answer.content.decode()
    assert len(lines_of(run_export(asked().pk, now=later(minutes=3)))) == 1
