"""`manage.py up`: the whole console in one command, with a database and a broker of its own unless others are given."""

import argparse
import fcntl
import http.client
import json
import os
import signal
import socket
import sys
import time
from contextlib import closing
from io import StringIO
from typing import IO, Any
from urllib.parse import quote

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from config import embedded, env
from config.supervisor import Child, Stopped, Supervisor, launch, stopping_on_signals

READY_WITHIN_SECONDS = 60


class Command(BaseCommand):
    help = "Start database, broker, web, worker and sweeper, and keep them running until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=env.whole("PORT", 8000), help="default: PORT, else 8000")
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"), help="default: HOST, else 127.0.0.1")
        parser.add_argument(
            "--demo",
            action=argparse.BooleanOptionalAction,
            default=env.flag("DEMO", default=True),
            help="load demo data (default: DEMO, else yes)",
        )
        parser.add_argument(
            "--demo-stream",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="keep a simulated upstream posting decisions (default: as --demo)",
        )

    def handle(self, **options: Any) -> None:
        planned = embedded.plan(settings.VAR_DIR)
        planned.logs.mkdir(mode=0o700, exist_ok=True)
        supervisor = Supervisor(tell=self.say)
        # The lock lives as long as this process, whatever ends it.
        lock = self.lock(planned)
        try:
            self.check_port(options["host"], options["port"])
            with stopping_on_signals():
                try:
                    self.run(supervisor, planned, options)
                except Stopped:
                    self.say("Stopping …")
                finally:
                    supervisor.stop()
        except embedded.CannotStart as error:
            raise CommandError(str(error)) from error
        finally:
            lock.close()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def lock(self, planned: embedded.Plan) -> IO[str]:
        lock = (planned.directory / "up.lock").open("w")
        # A supervisor that was just killed leaves its database a moment to stop.
        for _ in range(20):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            else:
                return lock
        raise CommandError(f"Countersign is already running on {planned.directory}. Stop it, or set another VAR_DIR.")

    def check_port(self, host: str, port: int) -> None:
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise CommandError(
                    f"Port {port} on {host} can't be had: {error.strerror}. Choose another, e.g. PORT={port + 1}."
                ) from error

    def run(self, supervisor: Supervisor, planned: embedded.Plan, options: dict[str, Any]) -> None:
        self.start_servers(supervisor, planned)
        self.say("Migrating …")
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()

        if not settings.PERMIT_KEY_FILE.exists():
            call_command("rotate_permit_key", stdout=StringIO())
        if not settings.LOG_KEY_FILE.exists():
            call_command("rotate_log_key", stdout=StringIO())

        host, port = options["host"], options["port"]
        environment = child_environment(planned, host=host, port=port)
        slow = {**environment, "DATABASE_STATEMENT_TIMEOUT_MS": "60000"}
        known = get_commands()
        supervisor.add(self.child("web", web_command(host, port), planned, environment))
        supervisor.add(self.child("worker", worker_command(), planned, slow))
        if "sweep" in known:
            supervisor.add(self.child("sweeper", manage("sweep"), planned, slow))
        demo = planned.directory / "demo.json"
        # Whoever waits for demo.json may go ahead when it appears, so one of an earlier run must not lie there.
        demo.unlink(missing_ok=True)
        kept = planned.directory / "demo.kept.json"
        if options["demo"] and "load_demo" in known:
            self.load_demo(slow, "--url", environment["PUBLIC_URL"], "--to", str(kept))
        self.wait_until_ready(supervisor, planned, host, port)
        if options["demo"] and kept.exists():
            embedded.write_private(demo, kept.read_text())
        if options["demo"] and options["demo_stream"] and "simulate_upstream" in known:
            upstream = launch_to_terminal("simulate_upstream", environment)
            supervisor.add(upstream)
        self.greet(planned, environment["PUBLIC_URL"])
        while True:
            time.sleep(0.2)
            supervisor.tend()

    def start_servers(self, supervisor: Supervisor, planned: embedded.Plan) -> None:
        given = [name for name in env.DATABASE_VARIABLES if os.environ.get(name)]
        if len(given) == 1:
            raise CommandError(f"{given[0]} is set alone: set both {' and '.join(env.DATABASE_VARIABLES)}, or neither.")
        if not given:
            self.say("Starting the embedded database …")
            supervisor.add(
                Child(
                    name="postgres",
                    start=lambda: embedded.start_postgres(planned),
                    stop_signal=signal.SIGINT,
                )
            )
        if not os.environ.get("REDIS_URL"):
            supervisor.add(Child(name="redis", start=lambda: embedded.start_redis(planned)))

    def child(self, name: str, command: list[str], planned: embedded.Plan, environment: dict[str, str]) -> Child:
        log = planned.logs / f"{name}.log"
        return Child(name=name, start=lambda: launch(command, log=log, environment=environment))

    def load_demo(self, environment: dict[str, str], *arguments: str) -> None:
        self.say("Loading demo data …")
        loading = launch(manage("load_demo", *arguments), log=None, environment=environment)
        try:
            code = loading.wait()
        finally:
            embedded.stop(loading)
        if code:
            raise CommandError("The demo data could not be loaded. Start without it: DEMO=0.")

    def wait_until_ready(self, supervisor: Supervisor, planned: embedded.Plan, host: str, port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            supervisor.tend()
            if is_ready(host, port):
                return
            time.sleep(0.1)
        raise CommandError(f"The console did not become ready; {planned.logs}/web.log says why.")

    def greet(self, planned: embedded.Plan, url: str) -> None:
        self.say(f"\nCountersign is ready:  {url}\n")
        demo = planned.directory / "demo.json"
        if demo.exists():
            for user in json.loads(demo.read_text()).get("users", []):
                self.say(f"  {user['username']:<8} {user['password']:<24} {user.get('role', '')}")
            self.say(f"\nThese, and the keys of the demo's clients, are in {demo}.")
        self.say(f"Logs are in {planned.logs}. Ctrl-C stops everything.\n")


def launch_to_terminal(command: str, environment: dict[str, str]) -> Child:
    return Child(name=command, start=lambda: launch(manage(command), log=None, environment=environment))


def child_environment(planned: embedded.Plan, *, host: str, port: int) -> dict[str, str]:
    """What children get: what was set wins, then what the plan made up, then what a run on one machine needs."""
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104
    defaults = {
        **planned.variables,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PUBLIC_URL": f"http://{reachable}:{port}",
        "ALLOW_LOOPBACK_WEBHOOKS": "1",
        "EMAIL_URL": f"file://{quote(str(planned.directory / 'mail'))}",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **os.environ, "VAR_DIR": str(planned.directory)}


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def web_command(host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--http", "1"),
        *("--host", host, "--port", str(port), "--log-level", "warning", "--working-dir", str(settings.BASE_DIR)),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(settings.WEB_THREADS)),
        *("--respawn-failed-workers", "--workers-kill-timeout", "8", "config.wsgi:application"),
    ]


def worker_command() -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "--workdir", str(settings.BASE_DIR), "-A", "config.celery", "worker"),
        # Threads: on one machine a third of the memory of processes. In production each worker is a pool of those.
        *("--pool", "threads", "--concurrency", str(settings.WORKER_THREADS), "--loglevel", settings.LOG_LEVEL),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=5)  # noqa: S104
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
