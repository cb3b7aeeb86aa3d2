"""What a page says of a row is what judging does: the sentence is read back and tried."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings

from policies.domain.evaluate import evaluate
from policies.domain.sentences import describe
from policies.domain.spec import Assessment, Facts, Policy, Proposal, ThresholdSpec
from tests.policies.strategies import ACTIONS, EVERY_PROPOSAL, FACTS, policies

ALONE = re.compile(r"runs alone at (?P<least>[\d.]+) and above(?:, up to (?P<most>[\d.]+) (?P<currency>[A-Z]{3}))?")
BUDGET = re.compile(
    r"at most (?:(?P<count>\d+) decisions?(?= and | or | a day))?(?: and | or )?(?:(?P<amount>[\d.]+) [A-Z]{3})? a day"
)
CHECKED = re.compile(r"(?P<share>all|[\d.]+ %) of (?:those are checked afterwards|them are drawn)")
AGREE = re.compile(r"(?P<count>[23]) people must agree")
ENDS = re.compile(r"from (?P<moment>[-\d]+ [:\d]+) UTC on it always goes to a person")
HAIR = Decimal("0.000001")
EVERY_CASE = [each for each in EVERY_PROPOSAL if (each.action, each.model_name) == (ACTIONS[0], "new")]
"""Every confidence, amount and context; whose action and model it is stands elsewhere."""


@settings(max_examples=250, deadline=None)
@given(policy=policies())
def test_every_sentence_is_what_judging_does(policy):
    for row in policy.thresholds:
        sentence = describe(row, policy.actions.get(row.action))
        for action in governed_by(row, policy):
            proposal = proposal_under(row, action)
            if (
                policy.row_for(action=action, model_name=proposal.model_name, model_version=proposal.model_version)
                != row
            ):
                continue
            if "runs alone" in sentence and (row.action or can_be_undone(policy, action)):
                try_what_runs_alone(sentence, policy, proposal)
            else:
                try_what_never_does(policy, proposal)
            try_what_is_asked_of_people(sentence, policy, proposal)


def governed_by(row: ThresholdSpec, policy: Policy) -> list[str]:
    """The actions that the sentence speaks of: the row's, or each one that has no row of its own."""
    if row.action:
        return [row.action]
    return [key for key in ACTIONS if not any(each.action == key for each in policy.thresholds)]


def can_be_undone(policy: Policy, action: str) -> bool:
    spec = policy.actions.get(action)
    return spec is not None and spec.active and spec.reversibility != "irreversible"


def proposal_under(row: ThresholdSpec, action: str) -> Proposal:
    return Proposal(
        workflow="support",
        action=action,
        payload={"amount": "0", "sum": "0", "currency": row.currency},
        subject={"type": "customer", "id": "c-1"},
        confidence=Decimal(1),
        model_name=row.model_name or "any",
        model_version=row.model_version or "any",
    )


def judged(policy: Policy, proposal: Proposal, *, facts: Facts = FACTS, draw: Decimal = Decimal(0)) -> Assessment:
    unruled = replace(policy, rules=())  # rules have sentences of their own
    return evaluate(unruled, proposal, facts, draw=draw)


def with_amount(proposal: Proposal, amount: Decimal) -> Proposal:
    return replace(proposal, payload={**proposal.payload, "amount": f"{amount:f}", "sum": f"{amount:f}"})


def try_what_runs_alone(sentence: str, policy: Policy, proposal: Proposal) -> None:
    said = ALONE.search(sentence)
    assert said, sentence
    at_least = replace(proposal, confidence=Decimal(said["least"]))
    counted = [int(each["count"]) for each in BUDGET.finditer(sentence) if each["count"]]
    reads_amounts = policy.actions[proposal.action].amount_pointer != ""
    in_time = (ends := moment(sentence)) is None or ends > FACTS.now
    limits = [Decimal(said["most"])] if said["most"] else []
    limits += [Decimal(each["amount"]) for each in BUDGET.finditer(sentence) if each["amount"]]
    runs = in_time and all(counted) and (reads_amounts or not limits)
    most = min(limits, default=Decimal(10**9))
    assert (judged(policy, with_amount(at_least, most)).route == "auto") == runs, sentence
    assert judged(policy, with_amount(replace(at_least, confidence=at_least.confidence - HAIR), most)).route == "review"
    if limits:
        assert judged(policy, with_amount(at_least, most + HAIR)).route == "review", sentence
        other = replace(at_least, payload={**at_least.payload, "currency": "SEK"})
        assert judged(policy, other).route == "review", sentence
    if runs and ends:
        before, after = (replace(FACTS, now=at, evidence_assessed_at=at) for at in (ends - timedelta(seconds=1), ends))
        assert judged(policy, at_least, facts=before).route == "auto", sentence
        assert judged(policy, at_least, facts=after).route == "review", sentence


def moment(sentence: str) -> datetime | None:
    said = ENDS.search(sentence)
    return datetime.strptime(said["moment"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) if said else None


def try_what_never_does(policy: Policy, proposal: Proposal) -> None:
    for each in EVERY_CASE:
        tried = replace(
            each, action=proposal.action, model_name=proposal.model_name, model_version=proposal.model_version
        )
        assert judged(policy, tried).route == "review"


def try_what_is_asked_of_people(sentence: str, policy: Policy, proposal: Proposal) -> None:
    unsure = judged(policy, replace(proposal, confidence=None))
    agree = AGREE.search(sentence)
    assert unsure.verdicts_needed == (int(agree["count"]) if agree else 1), sentence
    unknown = judged(policy, replace(proposal, confidence=None), facts=replace(FACTS, requester_matched=False))
    separated = "two people must agree where nobody knows who asked for it" in sentence
    assert unknown.verdicts_needed == max(unsure.verdicts_needed, 2 if separated else 1), sentence
    assert unsure.separation == separated
    if "approving takes two deliberate acts" in sentence:
        assert unsure.deliberate_acts == 2
    said = CHECKED.search(sentence)
    share = Decimal(0) if not said else Decimal(1) if said["share"] == "all" else Decimal(said["share"][:-2]) / 100
    assert unsure.audit_rate == share, sentence
    assert judged(policy, proposal, draw=max(share - HAIR, Decimal(0))).flagged == (share > 0)
    if share < 1:
        assert not judged(policy, proposal, draw=share).flagged
