"""How the watchdog ends a process that cannot end by itself: real processes, shorter limits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.scenario import ROOT

BEFORE = """
import asyncio
import threading
import time

import structlog

from worker import logs
from worker.__main__ import install_signal_handlers
from worker.lifecycle.stop import Stop
from worker.service.watchdog import Watchdog

logs.configure("json", "info")
log = structlog.get_logger()
stop = Stop()
stop.in_hand = lambda: ["m1", "m2"]
"""
AFTER = """
async def main():
    install_signal_handlers(stop)
    ticks = asyncio.create_task(watchdog.ticks())
    await body()
    ticks.cancel()

with Watchdog(
    stop,
    %g,
    tick_seconds=0.02,
    max_blocked_seconds=%g,
    grace_seconds=0.5,
    start_seconds=%g,
    net_seconds=%g,
) as watchdog:
    asyncio.run(main())
"""
# A loop that is not stuck misses a hundred ticks on no machine.
MAX_BLOCKED_SECONDS = 2
LATE = "event loop late"


@dataclass
class Script:
    """A process that runs the given body, and the lines that were read of its log."""

    process: subprocess.Popen[str]
    all_lines: list[dict[str, object]] = field(default_factory=list)

    @property
    def lines(self) -> list[dict[str, object]]:
        """The lines without the warnings of a late loop: on a slow machine any loop may be late."""
        return [line for line in self.all_lines if line["event"] != LATE]

    def said(self) -> Iterator[dict[str, object]]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.all_lines.append(json.loads(line))
            yield self.all_lines[-1]

    def until(self, event: str, times: int = 1) -> None:
        for line in self.said():
            times -= line["event"] == event
            if not times:
                return
        raise AssertionError(f"ended without {event!r}: {self.all_lines}")

    def status(self) -> int:
        assert all(self.said())
        return self.process.wait()


@contextmanager
def started(
    body: str,
    drain_seconds: float = 600,
    start_seconds: float = 600,
    net_seconds: float = 600,
    after: str = "",
) -> Iterator[Script]:
    limits = drain_seconds, MAX_BLOCKED_SECONDS, start_seconds, net_seconds
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", BEFORE + body + AFTER % limits + after],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Script(process)
        finally:
            process.kill()


@pytest.mark.parametrize(
    "stuck",
    ["while True: pass", "threading.Lock().acquire() and threading.Event().wait()"],
    ids=["computing", "waiting"],
)
def test_a_stuck_event_loop_ends_the_process_and_says_where_and_with_what_in_hand(
    stuck: str,
) -> None:
    with started(f"""
def wedged():
    {stuck}

async def body():
    await asyncio.sleep(0.1)
    wedged()
""") as script:
        assert script.status() == 1
    (line,) = script.lines
    assert (line["event"], line["level"]) == ("worker failed", "error")
    assert "the event loop is stuck" in str(line["error"])
    assert line["message_ids"] == ["m1", "m2"]
    assert "in wedged" in str(line["stack"])


def test_a_call_that_holds_the_interpreters_lock_ends_the_process_and_its_stack_is_written() -> (
    None
):
    with started(
        """
import ctypes

def wedged():
    ctypes.PyDLL(None).pause()  # unlike CDLL, PyDLL does not release the lock

async def body():
    await asyncio.sleep(0.1)
    wedged()
""",
        net_seconds=MAX_BLOCKED_SECONDS,
    ) as script:
        assert script.process.stderr is not None
        stacks = script.process.stderr.read()
        assert script.process.wait() == 1
    assert "Timeout (0:00:02)!" in stacks
    assert "in wedged" in stacks


def test_the_net_below_the_watchdog_is_taken_away_at_its_end() -> None:
    seconds = MAX_BLOCKED_SECONDS / 4
    with started(
        "async def body(): pass", net_seconds=seconds, after=f"time.sleep({2 * seconds})"
    ) as script:
        assert script.status() == 0
    assert script.lines == []


def test_a_process_stuck_in_its_log_ends_though_nobody_hears_why() -> None:
    with started("""
async def body():
    await asyncio.sleep(0.1)
    while True:
        log.info("x" * 10_000)
""") as script:
        assert script.process.wait() == 1


def test_a_suspended_process_is_not_taken_for_a_stuck_one() -> None:
    with started("""
async def body():
    while stop.reason is None:
        log.info("alive")
        await asyncio.sleep(0.05)
""") as script:
        script.until("alive", times=3)
        script.process.send_signal(signal.SIGSTOP)
        # Time has to pass here: more than the watchdog allows a stuck loop.
        with pytest.raises(subprocess.TimeoutExpired):
            script.process.wait(timeout=2 * MAX_BLOCKED_SECONDS)
        script.process.send_signal(signal.SIGCONT)
        script.until("alive", times=20)
        script.process.send_signal(signal.SIGTERM)
        assert script.status() == 0
    assert {line["event"] for line in script.lines} == {"alive"}


@pytest.mark.parametrize("reason", ["idle", "failed: no queue"])
def test_a_stop_that_does_not_end_ends_the_process_whoever_asked(reason: str) -> None:
    with started(
        f"""
async def deaf():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def body():
    stop.request("{reason}")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(deaf(), name="processor 3")
        await asyncio.sleep(0.1)
        task.cancel()
""",
        drain_seconds=0.5,
    ) as script:
        assert script.status() == 1
    (line,) = script.lines
    assert line["event"] == "worker failed"
    assert f"after the stop ({reason})" in str(line["error"])
    assert line["message_ids"] == ["m1", "m2"]
    assert "processor 3" in str(line["stack"])


def test_what_hangs_after_the_last_tick_is_ended_too() -> None:
    with started("""
async def body():
    await asyncio.sleep(0.1)
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
""") as script:
        assert script.status() == 1
    (line,) = script.lines
    assert "in close\n" in str(line["stack"])  # of asyncio's runner


def test_a_slow_start_is_not_taken_for_a_stuck_loop() -> None:
    seconds = 1.5 * MAX_BLOCKED_SECONDS
    with started(f"""
async def body():
    time.sleep({seconds})  # as imports do, before the first tick
    await asyncio.sleep(0.1)
""") as script:
        assert script.status() == 0
    assert script.lines == []
    assert all(float(str(late["seconds"])) < seconds - 1 for late in script.all_lines)


def test_a_start_that_does_not_reach_the_first_tick_ends_the_process_and_says_where() -> None:
    with started(
        """
def importing():
    threading.Event().wait()

async def body():
    importing()
""",
        start_seconds=0.5,
    ) as script:
        assert script.status() == 1
    (line,) = script.lines
    assert line["error"] == "the worker has not started: no tick for 0.5 s"
    assert "in importing" in str(line["stack"])


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_a_second_signal_ends_the_process_at_once_and_names_what_was_in_hand(
    first: str, second: str
) -> None:
    with started("""
async def body():
    log.info("here")
    await stop.wait()
    log.info("stopping")
    await asyncio.Event().wait()
""") as script:
        script.until("here")
        script.process.send_signal(signal.Signals[first])
        script.until("stopping")
        script.process.send_signal(signal.Signals[second])
        assert script.status() == 128 + signal.Signals[second]
    line = script.lines[-1]
    assert (line["signal"], line["message_ids"]) == (second, ["m1", "m2"])
    assert "visibility timeout" in str(line["event"])


@pytest.mark.parametrize("reason", ["idle", "failed: no queue"])
def test_a_single_ctrl_c_does_not_cut_short_what_is_ending_by_itself(reason: str) -> None:
    with started(f"""
async def body():
    stop.request("{reason}")
    log.info("ending")
    while not stop.signalled:
        await asyncio.sleep(0.01)
    log.info("ended")
""") as script:
        script.until("ending")
        script.process.send_signal(signal.SIGINT)
        assert script.status() == 0
    assert script.lines[-1]["event"] == "ended"
