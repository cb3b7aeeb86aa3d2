"""`manage.py up` as a process: what it leaves behind, what it says, what it brings back."""

import os
import signal
import socket
import time
from contextlib import closing

import pytest

from tests.product import free_port, start_product

pytestmark = pytest.mark.xdist_group("up")
CHILDREN = {"postgres", "redis-server", "granian", "celery"}


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("up")


@pytest.fixture
def running(var_dir):
    product = start_product(var_dir, "--no-demo")
    product.wait_until_ready()
    yield product
    if product.supervisor.poll() is None:
        product.supervisor.kill()
        product.supervisor.wait()


def named(product, word):
    return {pid for pid, command in product.processes().items() if word in command}


def test_asking_it_to_stop_leaves_nothing_behind(running):
    assert {word for word in CHILDREN if named(running, word)} == CHILDREN
    assert running.stop() == 0
    assert running.processes() == {}


def test_killing_its_supervisor_leaves_nothing_behind(running):
    running.supervisor.kill()
    running.supervisor.wait()
    assert running.wait_until_gone() == {}


def test_a_child_that_is_killed_comes_back(running):
    for word in ("redis-server", "granian", "celery"):
        before = named(running, word)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not named(running, word) - before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert named(running, word) - before, f"{word} did not come back: {running.said()}"
    deadline = time.monotonic() + 30
    while not running.is_ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running.is_ready()


def test_two_on_one_directory_are_refused(running):
    second = start_product(running.var_dir, "--no-demo", output="second.out")
    assert second.supervisor.wait(30) != 0
    assert "already running" in second.said()
    assert running.is_ready()


def test_a_taken_port_is_said_plainly(var_dir, tmp_path):
    port = free_port()
    with closing(socket.create_server(("127.0.0.1", port))):
        refused = start_product(tmp_path, "--no-demo", port=port)
        assert refused.supervisor.wait(30) != 0
    assert f"Port {port}" in refused.said()
    assert "Traceback" not in refused.said()
    assert refused.processes() == {}


def test_a_port_that_is_no_number_is_said_plainly(tmp_path):
    refused = start_product(tmp_path, "--no-demo", port="abc")
    assert refused.supervisor.wait(30) == 1
    assert refused.said().strip() == "PORT is 'abc', and must be a whole number."
