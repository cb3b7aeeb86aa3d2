"""Cases whose truth is known are mixed into the queue, and nothing that a reviewer can read tells them apart."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client as Browser
from django.utils import timezone

from feedback.models import Awaited, KnownAnswer, Label, ReasonTally, Seed, Tally
from feedback.queries.known_answers import garden_of, scores_by_reviewer
from feedback.queries.records import Chosen, records_after
from feedback.services import (
    NoSeed,
    NotAllowed,
    answer_what_was_asked,
    bring_seeds,
    collect_labels,
    plant_seed,
    retire_seed,
    sow_known_answers,
)
from policies.models import Workflow
from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import Decision, Delivery, Outcome, Ticket, Verdict
from reviews.queries import feed_page, log_page, precedents
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_next, claim_ticket
from reviews.services.decide import InvalidAnswer
from reviews.services.settle import settle_due
from tests.factories import (
    ana,
    ben,
    gate_of,
    ines,
    later,
    make_action,
    make_client,
    make_live_policy,
    make_user,
    make_workflow,
    omar,
    proposal_body,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)


OTHER = {"message": "Where is my top-up?", "amount": "1.00", "currency": "EUR"}


@pytest.fixture(autouse=True)
def policy():
    for action in ("refund_fee", "trace_top_up"):
        make_action(make_workflow(), action)
    make_live_policy()
    Workflow.objects.update(known_answer_share=1)
    ana(), ben()


def cleo():
    """Reviews, and has seen nothing yet."""
    return make_user("cleo", groups=["Support"])


def seed_of(kind: str = "approve", *, by=ana, **changes) -> Seed:
    decision = submit_one(confidence=0.62, **changes)
    decide(gate_of(decision), by(), kind)
    settle_due(now=later(minutes=1))
    collect_labels(now=later(minutes=1))
    return plant_seed(decision, evidence="Three people agreed.", user=omar(), now=later(minutes=2))


def sow(now=None) -> list[KnownAnswer]:
    """What one more decision in the queue brings along, at a share of one."""
    now = now or later(hours=1)
    fresh = submit_one(confidence=0.62, now=now)
    return sow_known_answers({fresh.workflow_id: [fresh.pk]}, now=now)


def ticket_of(known: KnownAnswer) -> Ticket:
    return Ticket.objects.get(decision=known.decision_id)


# --- Set aside -------------------------------------------------------------------------------------------------------


def test_the_truth_of_a_seed_is_the_label_that_stands():
    right, wrong = seed_of(), seed_of("reject")
    assert (right.right_action, right.ai_is_right) == ("refund_fee", True)
    assert (wrong.right_action, wrong.ai_is_right) == ("", False)
    with pytest.raises(NoSeed, match="already"):
        plant_seed(right.decision, evidence="Again.", user=omar(), now=later(hours=1))


def test_what_nobody_has_settled_or_had_a_deadline_is_no_seed():
    waiting = submit_one(confidence=0.62)
    with pytest.raises(NoSeed, match="Nothing is known"):
        plant_seed(waiting, evidence="I think so.", user=omar(), now=later())
    with pytest.raises(NoSeed, match="deadline"):
        seed_of(deadline=later(hours=3).isoformat())


def test_only_leads_and_admins_set_aside():
    seed = seed_of()
    for user in (ana(), ines()):
        with pytest.raises(NotAllowed):
            plant_seed(seed.decision, evidence="So it is.", user=user, now=later())
        with pytest.raises(NotAllowed):
            bring_seeds([], workflow=make_workflow(), evidence="So it is.", user=user, now=later())
        with pytest.raises(NotAllowed):
            retire_seed(seed, user=user)


def test_cases_are_brought_along_in_a_file_all_or_none(tmp_path, capsys):
    omar()
    good = [{**proposal_body(), "right_action": action} for action in ("refund_fee", "trace_top_up")]
    file = tmp_path / "known.jsonl"
    file.write_text("\n".join(map(json.dumps, [*good, {**proposal_body(), "right_action": 1, "payload": "none"}])))
    command = ("import_known_answers", "support", str(file), "--by", "omar", "--evidence", "Five people agreed.")
    with pytest.raises(CommandError, match="Line 3: /payload"):
        call_command(*command)
    assert not Seed.objects.exists()
    file.write_text("\n".join(map(json.dumps, good)))
    call_command(*command)
    assert "2 cases set aside: 1 with the AI right, 1 wrong." in capsys.readouterr().out
    assert {seed.ai_is_right for seed in Seed.objects.all()} == {True, False}
    known = [one for _ in range(2) for one in sow()]
    assert {one.ai_is_right for one in known} == {True, False}


def test_the_database_refuses_a_seed_that_is_neither_a_decision_nor_brought_along():
    seed = seed_of()
    for changes in ({"decision": None, "content": None}, {"content": {"external_id": "x"}}):
        with pytest.raises(IntegrityError, match="a_seed_is_a_decision_or_was_brought_along"), transaction.atomic():
            Seed.objects.filter(pk=seed.pk).update(**changes)


# --- Sown ------------------------------------------------------------------------------------------------------------


def test_a_known_answer_is_the_seed_under_other_ids_and_another_subject():
    seed = seed_of(context={"customer": "c-77", "since": "2026-02-01"})
    seed_of("reject")
    known = [one for _ in range(2) for one in sow(later(days=10))]
    assert sorted(one.ai_is_right for one in known) == [False, True]
    clone = next(one for one in known if one.seed == seed).decision
    origin = seed.decision
    assert clone.internal
    for name in ("action", "payload", "confidence", "reasoning", "model_name", "model_version", "subject_type"):
        assert getattr(clone, name) == getattr(origin, name), name
    for name in ("external_id", "subject_id", "subject_label", "subject_url"):
        assert getattr(clone, name) != getattr(origin, name), name
        assert re.sub(r"\d", "0", getattr(clone, name)) == re.sub(r"\d", "0", getattr(origin, name)), "its shape"
    assert clone.context == {"customer": clone.subject_id, "since": "2026-02-11"}
    assert clone.subject_id in clone.subject_url


def test_the_kind_that_is_behind_is_sown_and_nothing_where_none_of_it_is_fit():
    seed_of("reject")
    sown = [known for _ in range(4) for known in sow()]
    assert len(sown) <= 1, "without one that is right, half cannot be"
    seed_of()
    assert [known.ai_is_right for _ in range(2) for known in sow()].count(True) == 1


def test_at_a_share_of_none_and_of_what_is_retired_nothing_is_sown():
    seeds = [seed_of(), seed_of("reject")]
    Workflow.objects.update(known_answer_share=0)
    assert sow() == []
    Workflow.objects.update(known_answer_share=1)
    for seed in seeds:
        retire_seed(seed, user=omar())
    assert sow() == []


def test_what_would_run_alone_now_is_not_sown():
    seed_of(), seed_of("reject")
    make_live_policy(least_confidence=Decimal("0.5"))
    before = Decision.everything.count()
    seeds = {make_workflow().pk: [submit_one(confidence=0.4).pk]}
    assert sow_known_answers(seeds, now=later()) == []
    assert Decision.everything.count() == before + 1
    assert not Outcome.objects.filter(decision__internal=True).exists()


def test_nobody_gets_a_case_twice_nor_one_that_they_decided_or_set_aside():
    seed_of(), seed_of("reject", by=ana)
    known = sow()[0]
    assert claim_next(reviewer=ana(), now=later(hours=1)).kind == TicketKind.GATE, "she decided what it was cloned from"
    taken = [claim_ticket(ticket_of(known).pk, reviewer=ben(), now=later(hours=1))]
    assert ticket_of(known).skips.filter(reviewer=omar()).exists(), "he set it aside"
    decide(taken[0], ben(), now=later(hours=1))
    settle_due(now=later(hours=2))
    sow(later(hours=2))
    again = KnownAnswer.objects.exclude(pk=known.pk)
    assert not again.filter(seed=known.seed).exists(), "ana and ben have had it, and nobody else is there"
    cleo()
    for _ in range(40):  # which kind comes next is drawn where neither is behind
        if not again.filter(seed=known.seed).exists():
            sow(later(hours=3))
    copy = again.get(seed=known.seed)
    assert set(ticket_of(copy).skips.values_list("reviewer__username", flat=True)) == {"ana", "ben", "omar"}


def test_two_copies_of_one_case_are_never_open_at_once():
    seed_of(), seed_of("reject")
    for _ in range(5):
        sow()
    assert KnownAnswer.objects.count() == 2


def test_the_same_key_sows_once():
    seed_of(), seed_of("reject")
    (known,) = sow()
    decision_id = known.decision_id
    known.delete()  # as after a crash between the decision and its truth
    before = Decision.everything.filter(internal=True).count()
    for _ in range(2):
        sow()
    assert Decision.everything.filter(internal=True).count() <= before + 1
    assert KnownAnswer.objects.filter(decision=decision_id).count() == 1


# --- Not to be told apart --------------------------------------------------------------------------------------------


def as_shown(browser: Browser, ticket: Ticket) -> str:
    """Everything that a reviewer reads of a ticket through page, fragments, desk and API, without what names it."""
    parts = [
        browser.get(f"/tickets/{ticket.pk}/").content.decode(),
        # Once both are over, the later of the two has the earlier among its like cases.
        "" if ticket.settled_at else browser.get(f"/tickets/{ticket.pk}/alike").content.decode(),
        browser.get(f"/tickets/{ticket.pk}/record").content.decode(),
        json.dumps(browser.get(f"/api/v1/tickets/{ticket.pk}").json()),
        browser.get("/?kind=gate").content.decode(),
        browser.get("/verdicts/").content.decode(),
        str(browser.get(f"/log/{ticket.decision_id}/").status_code),
        str(browser.get(f"/log/{ticket.decision_id}/comments").status_code),
    ]
    text = "\n".join(parts)
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": "\w+"|nonce-\S+', "", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9a-f]{64}", "ID", text)
    return re.sub(r"\d+", "0", text)


def test_nothing_that_ana_can_read_tells_a_known_answer_from_a_gate():
    now = timezone.now()
    make_live_policy(now=now)
    reviewer, lead = cleo(), omar()
    asks = [{"message": f"Is topping up {fee} EUR?", "amount": "12.00", "currency": "EUR"} for fee in (3, 4)]
    decision = submit_one(confidence=0.62, now=now, payload=asks[0])
    decide(gate_of(decision), ben(), now=now)
    settle_due(now=now + timedelta(minutes=1))
    collect_labels(now=now)
    label = Label.objects.get()
    Seed.objects.create(
        workflow=decision.workflow,
        decision=decision,
        right_action=label.right_action,
        ai_is_right=True,
        evidence="x",
        planted_by=lead,
        planted_at=now,
    )
    wrong = seed_of("reject", by=ben)
    for _ in range(5):  # of like cases, each shows the newest five
        like = submit_one(confidence=0.62, now=now, payload=OTHER, subject={"type": "customer", "id": "c-5"})
        decide(gate_of(like), ben(), now=now)
    settle_due(now=now + timedelta(minutes=1))
    fresh = [submit_one(confidence=0.62, now=now, subject={"type": "customer", "id": "c-98", "label": "Customer 98"})]
    subject = {"type": "customer", "id": "c-66", "label": "Customer 66", "url": "https://crm.example/c-66"}
    fresh += [submit_one(confidence=0.62, now=now, payload=asks[1], subject=subject)]
    for _ in range(3):
        sow_known_answers({decision.workflow_id: [fresh[0].pk]}, now=now)
    known = KnownAnswer.objects.get(ai_is_right=True)
    Ticket.objects.filter(decision__in=KnownAnswer.objects.filter(seed=wrong).values("decision")).update(
        state=TicketState.SETTLED, settled_at=now
    )
    genuine, disguised = gate_of(fresh[1]), ticket_of(known)
    browser = Browser()
    browser.force_login(reviewer)

    def both() -> tuple[str, str]:
        return as_shown(browser, genuine), as_shown(browser, disguised)

    for step in ("open", "claimed", "decided", "settled"):
        for ticket in (genuine, disguised):
            ticket.refresh_from_db()
            if step == "claimed":
                browser.post(f"/api/v1/tickets/{ticket.pk}/claim", "{}", content_type="application/json")
            if step == "decided":
                instead = {"action": "trace_top_up", "payload": {"amount": "12.00"}}
                given = decide(ticket, reviewer, "override", now=timezone.now(), **instead)
                assert given.effective_at - given.decided_at == timedelta(seconds=5)
        if step == "settled":
            settle_due(now=timezone.now() + timedelta(minutes=1))
            genuine.refresh_from_db()
            disguised.refresh_from_db()
        one, other = both()
        assert one == other, step
        assert not re.search("known.answer", other, re.IGNORECASE)
    said = browser.get(f"/api/v1/tickets/{disguised.pk}").json()
    assert said["outcome"]["kind"] == "overridden"
    assert not Outcome.objects.filter(decision=known.decision_id).exists()


def test_a_change_is_judged_by_the_same_stakes():
    make_action(make_workflow(), "close_account", reversibility="irreversible")
    make_live_policy()
    seed_of(), seed_of("reject")
    (known,) = sow()
    instead = {"action": "close_account", "payload": {"message": "Closed."}}
    for ticket in (gate_of(submit_one(confidence=0.62)), ticket_of(known)):
        with pytest.raises(InvalidAnswer, match="2 deliberate acts"):
            decide(ticket, cleo(), "override", now=later(hours=1), acts=1, **instead)
        decide(ticket, cleo(), "override", now=later(hours=1), acts=2, **instead)


def test_a_question_about_one_is_answered_as_late_as_upstream_would():
    seed_of(), seed_of("reject")
    (known,) = sow()
    ticket = claim_ticket(ticket_of(known).pk, reviewer=cleo(), now=later(hours=1))
    ask_upstream(ticket.pk, reviewer=cleo(), epoch=ticket.claim_epoch, text="Which plan?", now=later(hours=1))
    assert not Delivery.objects.exists()
    assert answer_what_was_asked(now=later(hours=1, minutes=3)) == 0
    assert answer_what_was_asked(now=later(hours=2)) == 1
    ticket.refresh_from_db()
    assert (ticket.state, ticket.reserved_for) == (TicketState.OPEN, cleo())


def test_like_cases_leave_out_what_it_was_cloned_from():
    seed = seed_of()
    other = seed_of("reject", payload=OTHER)
    for _ in range(2):
        sow()
    found = precedents(KnownAnswer.objects.get(seed=seed).decision)
    assert [one.decision_id for one in found.same_action] == [other.decision_id]
    assert found.same_payload == found.same_subject == ()


# --- Nothing comes of them -------------------------------------------------------------------------------------------


def test_they_are_in_no_feed_log_tally_label_export_or_delivery():
    client, _ = make_client("Hooked")
    client.endpoints.create(url="https://a.example/hook", secret="whsec_a")
    seed_of(), seed_of("reject")
    sown = [known for _ in range(2) for known in sow()]
    assert len(sown) == 2
    collect_labels(now=later(hours=1))
    before = (
        list(Tally.objects.order_by("pk").values()),
        list(ReasonTally.objects.order_by("pk").values()),
        Label.objects.count(),
        Awaited.objects.count(),
        Delivery.objects.count(),
    )
    ids = {known.decision_id for known in sown}
    for known in sown:
        decide(ticket_of(known), cleo(), "reject", now=later(hours=1))
    settle_due(now=later(hours=2))
    collect_labels(now=later(hours=2))
    after = (
        list(Tally.objects.order_by("pk").values()),
        list(ReasonTally.objects.order_by("pk").values()),
        Label.objects.count(),
        Awaited.objects.count(),
        Delivery.objects.count(),
    )
    assert before == after
    assert not ids & {row.decision_id for row in log_page().rows}
    assert not any(str(each) in str(feed_page(client, after="", limit=100)) for each in ids)
    exported = {record.id for record in records_after(Chosen(workflow=make_workflow()), after=None, limit=100)}
    assert exported
    assert not exported & set(map(str, ids))


# --- Scores ----------------------------------------------------------------------------------------------------------


def test_scores_count_first_answers_as_labels_would():
    seed_of(), seed_of("reject")
    for known in [each for _ in range(2) for each in sow()]:
        decide(ticket_of(known), cleo(), "approve" if known.ai_is_right else "reject", now=later(hours=1))
    assert scores_by_reviewer(workflow=make_workflow()) == {}, "not before it is settled"
    settle_due(now=later(hours=2))
    score = scores_by_reviewer(workflow=make_workflow())["Cleo"]
    assert (score.caught, score.wrong_shown, score.false_overrides, score.right_shown) == (1, 1, 0, 1)
    assert score.caught_at_least == pytest.approx(0.05)
    assert scores_by_reviewer(user=ben()) == {}
    garden = garden_of(make_workflow())
    assert (garden.right, garden.wrong, garden.sown, garden.answered) == (1, 1, 2, 2)
    assert Verdict.objects.filter(ticket__decision__internal=True).count() == 2
