"""Removes guards one at a time, in a throw-away copy of the tree, and looks whether the tests turn red.

`python -m tests.faults.guards` prints the list. A guard that can go without a test noticing is a guard that will go.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.product import ROOT, environment_of

LONGEST_RUN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Guard:
    """`text`, which stands once in the file at `path`, is replaced; then `tests` are to fail."""

    what: str
    path: str
    text: str
    instead: str
    tests: str


GUARDS = (
    Guard(
        "the unique constraint on a ticket's stage",
        "reviews/migrations/sql/guards.sql",
        "GRANT UPDATE (voided_at) ON reviews_verdict TO %(app_role)s;",
        "GRANT UPDATE (voided_at) ON reviews_verdict TO %(app_role)s; DROP INDEX one_verdict_at_a_stage;",
        "tests/reviews/refusals/test_verdicts_and_outcomes.py::test_two_verdicts_at_one_stage",
    ),
    Guard(
        "`>=` at the threshold, made `>`",
        "policies/domain/evaluate.py",
        "elif not confidence >= least:",
        "elif not confidence > least:",
        "tests/policies/domain/test_evaluate.py",
    ),
    Guard(
        "the swallowed exception of the policy: it is a reason to ask a person",
        "policies/domain/evaluate.py",
        "        return _judge(policy, proposal, facts, draw, evidence_limit)\n    except Exception as error:",
        "        return _judge(policy, proposal, facts, draw, evidence_limit)\n    except ArithmeticError as error:",
        "tests/policies/domain/test_evaluate_faults.py",
    ),
    Guard(
        "the lease of a claim",
        "reviews/services/tickets.py",
        "    if ticket.state == TicketState.CLAIMED and not lease_is_over(ticket):",
        "    if ticket.state == TicketState.CLAIMED:",
        "tests/reviews/services/test_decide.py::test_a_lease_that_ran_out_is_a_lost_claim",
    ),
    Guard(
        "the epoch of a claim",
        "reviews/services/tickets.py",
        "        if ticket.claim_epoch == epoch:",
        "        if ticket.claim_epoch >= epoch:",
        "tests/reviews/services/test_decide.py::test_an_old_epoch_is_a_lost_claim",
    ),
    Guard(
        "the SHA-256 of what was shown",
        "reviews/services/decide.py",
        "if (answer.version, answer.shown_sha256) != (ticket.version, shown):",
        "if answer.version != ticket.version:",
        "tests/reviews/services/test_decide.py::test_an_answer_to_what_was_not_shown_is_stale",
    ),
    Guard(
        "that nobody decides what they asked for",
        "reviews/permissions.py",
        "return ticket.requester_id != user.pk and ticket.group_id in ",
        "return ticket.group_id in ",
        "tests/reviews/test_permissions.py",
    ),
    Guard(
        "the second look at what is sealed",
        "reviews/services/recheck.py",
        "if leaf_hash(entry_of(row)) != hashed:",
        'if leaf_hash(entry_of(row)) == b"":',
        "tests/reviews/services/test_recheck.py",
    ),
    Guard(
        "the body in a webhook's signature",
        "reviews/domain/webhooks.py",
        "sign(message_id, moment, body)",
        'sign(message_id, moment, "")',
        "tests/reviews/services/test_deliver.py",
    ),
    Guard(
        "an address rule: no webhook behind a carrier's NAT",
        "reviews/domain/webhooks.py",
        '        ("100.64.0.0/10", "behind a carrier\'s NAT"),\n',
        "",
        "tests/reviews/domain/test_webhooks.py",
    ),
    Guard(
        "the stop's exclusive lock, which waits out what is being taken in",
        "policies/services/stop.py",
        '"SELECT pg_advisory_xact_lock(%s, %s)"',
        '"SELECT %s::int + %s::int"',
        "tests/reviews/services/test_submit_races.py",
    ),
    Guard(
        "the trigger that keeps a decision as it was",
        "reviews/migrations/sql/guards.sql",
        "CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_decision\n"
        "    FOR EACH ROW EXECUTE FUNCTION guard_decision();",
        "",
        "tests/reviews/refusals/test_rows_written_once.py::test_and_triggers_stand_behind_the_grants",
    ),
    Guard(
        "the audit draw",
        "policies/domain/evaluate.py",
        "flagged=draw < rate,",
        "flagged=False,",
        "tests/policies/domain/test_evaluate_demands.py",
    ),
    Guard(
        "the horizon of the feed, behind which nothing can appear any more",
        "reviews/queries/feed.py",
        "       AND (NOT %(is_newest)s OR e.xid < pg_snapshot_xmin(pg_current_snapshot()))\n",
        "       AND (%(is_newest)s OR NOT %(is_newest)s)\n",
        "tests/reviews/queries/test_feed.py::test_a_late_commit_is_not_skipped_by_a_reader_who_was_quicker",
    ),
    Guard(
        "the fingerprint of a request sent twice",
        "reviews/services/submit.py",
        "if twin.fingerprint != submission.fingerprint:",
        "if not twin.fingerprint:",
        "tests/reviews/services/test_submit_races.py::test_of_different_requests_under_one_key_one_stands_and_the_others"
        "_are_told",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.guards", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help=f"these of the {len(GUARDS)}, from 1")
    chosen = parser.parse_args(arguments).only or range(1, len(GUARDS) + 1)
    guards = [GUARDS[number - 1] for number in chosen]
    with tempfile.TemporaryDirectory(prefix="cs-guards-", ignore_cleanup_errors=True) as directory:
        copy = Path(directory)
        copy_tree(copy)
        print("Everything in its place …", flush=True)
        status, said = run(copy, sorted({guard.tests for guard in guards}))
        if status:
            print(f"The tests are red before anything was removed:\n{said[-3000:]}")
            return 1
        print("| removed | in | turns red | |\n| --- | --- | --- | --- |", flush=True)
        unnoticed = 0
        for guard in guards:
            reds = red_without(guard, copy)
            unnoticed += not reds
            seen = ", ".join(f"`{red}`" for red in reds[:2]) + (f" and {len(reds) - 2} more" if len(reds) > 2 else "")
            print(f"| {guard.what} | `{guard.path}` | {seen or '**nothing**'} | {len(reds)} |", flush=True)
    print(f"\n{len(guards) - unnoticed} of {len(guards)} guards are missed when they are gone.")
    return 1 if unnoticed else 0


def copy_tree(to: Path) -> None:
    """What git knows of and what it would take up, as it lies there now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in listed.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def red_without(guard: Guard, copy: Path) -> list[str]:
    """The names of the tests that fail without the guard, which is put back."""
    path = copy / guard.path
    whole = path.read_text()
    path.write_text(whole.replace(guard.text, guard.instead))
    try:
        _, said = run(copy, [guard.tests])
    finally:
        path.write_text(whole)
    failed = [line.split()[1].split("::")[1].split("[")[0] for line in said.splitlines() if line.startswith("FAILED ")]
    return sorted(set(failed))


def run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Status and words of pytest, on servers of its own. A test that never ends without its guard counts as red."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", *tests]
    environment = {**environment_of(copy / "var"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, "".join(f"FAILED {test}::it_never_ended\n" for test in tests)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
