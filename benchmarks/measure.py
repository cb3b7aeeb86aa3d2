"""Measure, print the table, write VAR_DIR/bench.json. Run by `python -m benchmarks`."""

import argparse
import os
import statistics
import subprocess
import sys
import time

from django.conf import settings

from benchmarks import batching, learning, reviewing, scene, submitting
from benchmarks.clients import percentile
from benchmarks.report import table, write
from benchmarks.stage import ROOT, Stage, memory_mib, plain_server, stage

FEW = 1_000  # open tickets, to which the figure at many is compared
LABELS = 1_000_000
TRIED = 100_000  # past decisions on which a draft is tried
PAGES = {
    "desk": "/",
    "log": "/log/",
    "insights": "/insights/",
    "insights_api": "/api/v1/insights/overrides?workflow=support",
}


def main() -> None:
    arguments = read_arguments()
    directory = settings.VAR_DIR.parent
    figures: dict[str, float] = {}
    try:
        with stage(settings.VAR_DIR) as on:
            key = scene.set_up()
            figures["memory_idle_mib"] = memory_mib(on.supervisor)
            figures["python_loop_ms"] = learning.loop()
            submitting.warm_up(on, key=key)
            for part in arguments.only:
                say(f"{part} …")
                figures |= PARTS[part](on, key, arguments)
    finally:
        # A part that fails doesn't take with it what was measured before.
        print(table(figures))
        write(figures, directory / "bench.json")
        print(f"\nThese figures are in {directory / 'bench.json'}; benchmarks/README.md says how to read them.")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        *("--open", "--tickets"),
        dest="tickets",
        type=int,
        default=100_000,
        help="open tickets for the queue (default: 100,000)",
    )
    parser.add_argument("--lines", type=int, default=10_000, help="lines of a batch (default: 10,000)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement of a rate (default: 5)")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement, in turns (default: 5)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to measure")
    return parser.parse_args()


def submit(on: Stage, key: str, arguments: argparse.Namespace) -> dict[str, float]:
    """In turns, so that what else the machine does meets all of them alike; a share is of one turn."""
    database, owner = on.environment["DATABASE_URL"], on.environment["DATABASE_OWNER_URL"]
    submitting.make_bare_tables(owner)
    make_plain_tables(on)
    script, bare = submitting.limit_script(database), submitting.bare_script(database)
    ours, limits, bares, drfs = [], [], [], []
    with plain_server(on, submitting.plain_command(on)):
        submitting.submit_plainly(on, seconds=1)
        for _ in range(arguments.repeats):
            limits.append(on.pgbench(script, clients=submitting.CLIENTS, seconds=arguments.seconds))
            ours.append(submitting.submit(on, key=key, seconds=arguments.seconds))
            bares.append(on.pgbench(bare, clients=submitting.CLIENTS, seconds=arguments.seconds))
            drfs.append(submitting.submit_plainly(on, seconds=arguments.seconds).rate)
    rates = [load.rate for load in ours]
    return {
        "submit_share_of_pgbench": share(rates, limits),
        "submit_vs_drf": share(rates, drfs),
        "submit_rate": statistics.median(rates),
        "submit_p50_ms": statistics.median(load.p50 for load in ours),
        "submit_p95_ms": statistics.median(load.p95 for load in ours),
        "pgbench_rate": statistics.median(limits),
        "drf_rate": statistics.median(drfs),
        "bare_pgbench_rate": statistics.median(bares),
        "submit_share_of_bare_pgbench": share(rates, bares),
    }


def batch(on: Stage, key: str, arguments: argparse.Namespace) -> dict[str, float]:
    database = on.environment["DATABASE_URL"]
    batching.ingest(on, key=key, lines=500)  # so that the worker is warm
    ours, copies, sealing = [], [], []
    for _ in range(arguments.repeats):
        learning.seal(on)
        ours.append(batching.ingest(on, key=key, lines=arguments.lines))
        sealing.append(learning.seal(on))
        copies.append(batching.copy_again(database, prefix=ours[-1].prefix))
    return {
        "batch_share_of_copy": share([each.rate for each in ours], copies),
        "batch_rate": statistics.median(each.rate for each in ours),
        "copy_rate": statistics.median(copies),
        "seal_behind_s": statistics.median(sealing),
        "batch_received_ms": statistics.median(each.received_ms for each in ours),
    }


def review(on: Stage, key: str, arguments: argparse.Namespace) -> dict[str, float]:
    database, owner = on.environment["DATABASE_URL"], on.environment["DATABASE_OWNER_URL"]
    number = 20 * arguments.repeats
    scene.close_queue(database, leaving=FEW)
    scene.fill_queue(database, owner, open_tickets=FEW)
    reviewer = reviewing.log_in(on)
    few = reviewing.decide(reviewer, number=number)
    say(f"filling the queue to {arguments.tickets:,} …")
    began = time.perf_counter()
    scene.fill_queue(database, owner, open_tickets=arguments.tickets)
    filling = time.perf_counter() - began
    learning.seal(on)  # What was filled in is sealed as well; that is not to run beside what follows.
    reviewer.reconnect(on)  # The server has closed a connection on which nothing came for so long.
    many = reviewing.decide(reviewer, number=number)
    figures = {
        "next_p50_ms": statistics.median(many.next),
        "next_p95_ms": percentile(many.next, 0.95),
        "next_p50_growth": statistics.median(many.next) / statistics.median(few.next),
        "next_p50_ms_at_1000": statistics.median(few.next),
        "verdict_p50_ms": statistics.median(many.verdict),
        "verdict_p95_ms": percentile(many.verdict, 0.95),
        "open_tickets": arguments.tickets,
        "filling_s": filling,
    }
    for name, path in PAGES.items():
        figures[f"{name}_p95_ms"] = percentile(reviewing.open_page(reviewer, path, number=number), 0.95)
    return figures


def learn(on: Stage, key: str, arguments: argparse.Namespace) -> dict[str, float]:
    seconds = [learning.recommend(labels=LABELS) for _ in range(arguments.repeats)]
    # Where the review was measured before, the queue holds as many.
    scene.fill_queue(on.environment["DATABASE_URL"], on.environment["DATABASE_OWNER_URL"], open_tickets=TRIED)
    learning.seal(on)
    trying, alone = learning.try_draft(decisions=TRIED)
    return {
        "recommend_s": statistics.median(seconds),
        "labels": LABELS,
        "backtest_s": trying,
        "backtest_share_alone": alone,
        "backtest_decisions": TRIED,
    }


PARTS = {"submit": submit, "batch": batch, "review": review, "learn": learn}


def share(ours: list[float], others: list[float]) -> float:
    """The median of what each turn gave."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, others, strict=True))


def make_plain_tables(on: Stage) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.plain.settings"}
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--database=owner", "--verbosity=0"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
