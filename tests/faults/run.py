"""Breaks things on purpose, prints what came of each promise, and writes it to VAR_DIR/faults.json."""

import argparse
import json
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections

from tests.faults import (
    broker,
    crowd,
    feed,
    flipping_name,
    killing,
    network,
    one_verdict,
    outcomes_arrive,
    same_request,
    suite,
)
from tests.faults.counts import Counts, Shown
from tests.faults.prepare import var_dir
from tests.faults.stage import Stage, stage
from tests.faults.world import set_up

QUICK = 0.03
# In this order: what changes the console's environment comes late, and last what runs beside it.
FAULTS: dict[str, Callable[[Stage, Counts], Shown]] = {
    "same_request": same_request.run,
    "one_verdict": one_verdict.run,
    "feed": feed.run,
    "killing": killing.run,
    "broker": broker.emptied_and_killed,
    "without_broker": broker.away_for_a_minute,
    "flipping_name": flipping_name.run,
    "outcomes_arrive": outcomes_arrive.run,
    "crowd": crowd.run,
    "network": network.run,
    "never_automatic": suite.never_automatic,
    "log": suite.log_shows_tampering,
    "restored": suite.it_comes_back,
    "immutable": suite.immutable_rows,
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    counts = Counts(share=options.share, seed=seed)
    _allow_many_sockets()
    started = datetime.now(tz=UTC)
    with stage(Path(var_dir() / "faults")) as made:
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
        set_up()
        made.start_console()
        shown = []
        # The ordinary tests know no share: of a part they are left out, unless they are named.
        for name in options.only or [name for name in FAULTS if options.share == 1 or not _of_the_suite(name)]:
            if _of_the_suite(name):
                made.stop_console()  # It would only take time from the tests.
            shown.append(one(name, made, counts))
    return report(shown, counts=counts, started=started)


def _of_the_suite(name: str) -> bool:
    return FAULTS[name].__module__ == suite.__name__


def one(name: str, made: Stage, counts: Counts) -> Shown:
    """One promise; an error in showing it is a promise not shown."""
    print(f"{name} …", flush=True)
    started = time.monotonic()
    try:
        shown = FAULTS[name](made, counts)
    except Exception as error:  # noqa: BLE001  the others are to be shown all the same
        traceback.print_exc()
        shown = Shown(promise=name, did="not shown to the end", wrong=[f"{type(error).__name__}: {error}"[:2000]])
    finally:
        connections.close_all()
    shown.seconds = round(time.monotonic() - started, 1)
    for wrong in shown.wrong:
        print(f"  WRONG: {wrong}", flush=True)
    print(f"  {'kept' if shown.kept else 'BROKEN'} in {shown.seconds} s: {figures(shown.figures)}", flush=True)
    return shown


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--share", type=float, default=1.0, help="this share of every count (default: 1)")
    size.add_argument("--quick", dest="share", action="store_const", const=QUICK, help="3 %% of every count")
    parser.add_argument("--seed", type=int, help="of all that is drawn (default: a new one, which is printed)")
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="NAME", help=f"of {', '.join(FAULTS)}")
    return parser.parse_args(arguments)


def report(shown: Sequence[Shown], *, counts: Counts, started: datetime) -> int:
    """The table as docs/reliability.md has it; 1 where a promise was broken."""
    written: dict[str, Any] = {
        "started_at": started.isoformat(timespec="seconds"),
        "share": counts.share,
        "seed": counts.seed,
        "promises": [
            {"promise": each.promise, "did": each.did, "kept": each.kept, "seconds": each.seconds}
            | {"figures": each.figures, "wrong": each.wrong}
            for each in shown
        ],
    }
    path = var_dir() / "faults.json"
    path.write_text(json.dumps(written, indent=1, default=str) + "\n")
    print(f"\n{started:%Y-%m-%d}, seed {counts.seed}, share of the counts {counts.share:g}; also in {path}.\n")
    print("| promise | what was done | what came of it | |\n| --- | --- | --- | --- |")
    for each in shown:
        print(f"| {each.promise} | {each.did} | {figures(each.figures)} | {'kept' if each.kept else '**broken**'} |")
    return 0 if all(each.kept for each in shown) else 1


def figures(found: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {_plain(value)}" for name, value in found.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} × {number:,}" for key, number in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
