"""Mutations of the dispatcher: faults put into it on purpose, which the search must find.

Each of the first four removes a layer of the protocol.
"""

import ast
import hashlib
import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from dispatcher.handler import Dispatcher, Fleet, _short, ended_at, log
from tests.support.mutation import Mutation, Mutations, Patch, mutated
from tests.waking.schedule import play

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

MOST_SCHEDULES = 300
MUTATIONS = Mutations()


def caught(mutation: Mutation) -> str:
    """Return the first promise that the search finds broken by a mutation; empty if none is."""
    with mutated(mutation):
        # To the end only where another promise breaks first: a mutated schedule may never be quiet.
        for seed, to_the_end in itertools.product(
            (mutation.seed, *range(MOST_SCHEDULES)), (False, True)
        ):
            for broken in play(seed, to_the_end=to_the_end).broken:
                if mutation.breaks in broken:
                    return f"seed {seed}: {broken}"
    return ""


@MUTATIONS.add("the sweep starts no tasks", seed=0, breaks="P4: stranded")
def _(patch: Patch) -> None:
    scale_out = Dispatcher._scale_out

    def unless_in_a_sweep(self: Dispatcher, *, sent: int = 0, sweep: bool = False) -> None:
        if not sweep:
            scale_out(self, sent=sent)

    patch.replace(scale_out, unless_in_a_sweep)


@MUTATIONS.add("tasks are started before the messages are sent", seed=8961, breaks="s of peace")
def _(patch: Patch) -> None:
    send, scale_out = Dispatcher._send, Dispatcher._scale_out

    def scale_out_and_send(self: Dispatcher, bodies: Sequence[str]) -> None:
        scale_out(self, sent=len(bodies))
        send(self, bodies)

    def unless_sent(self: Dispatcher, *, sent: int = 0, sweep: bool = False) -> None:
        if not sent:
            scale_out(self, sweep=sweep)

    patch.replace(send, scale_out_and_send)
    patch.replace(scale_out, unless_sent)


@MUTATIONS.add("the event of a stopped task starts no tasks", seed=22, breaks="s of peace")
def _(patch: Patch) -> None:
    scale_out = Dispatcher._scale_out

    def unless_a_task_stopped(self: Dispatcher, *, sent: int = 0, sweep: bool = False) -> None:
        if sent or sweep:
            scale_out(self, sent=sent, sweep=sweep)

    patch.replace(scale_out, unless_a_task_stopped)


@MUTATIONS.add("every start has a token of its own", seed=2, breaks="P6: upload")
def _(patch: Patch) -> None:
    token, numbers = Fleet._client_token, itertools.count()

    def own(self: Fleet, minute: int, slot: int, capacity: str, generation: int) -> str:
        shared = token(self, minute, slot, capacity, generation)
        return hashlib.sha256(f"{shared} {next(numbers)}".encode()).hexdigest()

    patch.replace(token, own)


@MUTATIONS.add("a start that is refused fails the event", seed=17, breaks="with its messages sent")
def _(patch: Patch) -> None:
    def raise_if_refused(decision: str, **facts: object) -> None:
        if decision == "start refused" and (error := sys.exception()):
            raise error
        log(decision, **facts)

    patch.replace(log, raise_if_refused)


@MUTATIONS.add("tasks of other families are counted", seed=4, breaks="P4: stranded")
def _(patch: Patch) -> None:
    def of_every_family(self: Fleet, desired_status: Literal["RUNNING", "STOPPED"]) -> list[str]:
        pages = self.ecs.get_paginator("list_tasks").paginate(
            cluster=self.settings.cluster, desiredStatus=desired_status
        )
        return [task for page in pages for task in page["taskArns"]]

    patch.replace(Fleet._list, of_every_family)


@MUTATIONS.add("the event of another family's task starts tasks", seed=0, breaks="makes calls")
def _(patch: Patch) -> None:
    def scale_out_for_any_family(self: Dispatcher, task: Mapping[str, Any]) -> None:
        if _short(task["clusterArn"]) == _short(self.settings.cluster):
            self._scale_out()

    patch.replace(Dispatcher._task_stopped, scale_out_for_any_family)


@MUTATIONS.add("uploads start workers after a bad end", seed=5, breaks="crash loop")
def _(patch: Patch) -> None:
    last_stopped_failed = Fleet.last_stopped_failed
    in_sweep = _note_sweeps(patch)

    def is_told_to_sweeps(self: Fleet) -> bool:
        return in_sweep() and last_stopped_failed(self)

    patch.replace(last_stopped_failed, is_told_to_sweeps)


@MUTATIONS.add("a sweep starts all wanted tasks after a bad end", seed=7, breaks="crash loop")
def _(patch: Patch) -> None:
    last_stopped_failed = Fleet.last_stopped_failed
    in_sweep = _note_sweeps(patch)

    def is_told_to_others(self: Fleet) -> bool:
        return last_stopped_failed(self) and not in_sweep()

    patch.replace(last_stopped_failed, is_told_to_others)


@MUTATIONS.add("not even a sweep starts a worker after a bad end", seed=3, breaks="P4: stranded")
def _(patch: Patch) -> None:
    last_stopped_failed, start = Fleet.last_stopped_failed, Fleet.start
    scale_out = Dispatcher._scale_out
    found = ContextVar("found", default=False)

    def forget_and_scale_out(self: Dispatcher, *, sent: int = 0, sweep: bool = False) -> None:
        found.set(False)
        scale_out(self, sent=sent, sweep=sweep)

    def note(self: Fleet) -> bool:
        found.set(last_stopped_failed(self))
        return found.get()

    def start_unless_found(self: Fleet, running: set[str], wanted: int) -> None:
        start(self, running, len(running) if found.get() else wanted)

    patch.replace(scale_out, forget_and_scale_out)
    patch.replace(last_stopped_failed, note)
    patch.replace(start, start_unless_found)


@MUTATIONS.add("a task's bad end counts only from STOPPED on", seed=19, breaks="crash loop")
def _(patch: Patch) -> None:
    def torn_down_at(task: "TaskTypeDef") -> float:
        moment = task.get("stoppedAt")
        return moment.timestamp() if moment else 0

    patch.replace(ended_at, torn_down_at)


@MUTATIONS.add(
    "a slot's task counts as running though it has stopped since", seed=57, breaks="peace"
)
def _(patch: Patch) -> None:
    def never(self: Fleet, task: "TaskTypeDef", asked_at: float) -> bool:
        return False

    patch.replace(Fleet._has_stopped, never)


@MUTATIONS.add(
    "the slots below the number of running tasks are tried from the first",
    seed=39,
    breaks="live of",
)
def _(patch: Patch) -> None:
    patch.replace(Fleet.start, _without_calls(Fleet.start, to=reversed))


@MUTATIONS.add("the slots below the number of running tasks are not tried", seed=102, breaks="5.5")
def _(patch: Patch) -> None:
    patch.replace(Fleet.start, _without_calls(Fleet.start, to=itertools.chain))


@MUTATIONS.add("messages in flight do not count", seed=9, breaks="5.5")
def _(patch: Patch) -> None:
    wanted = Dispatcher._wanted

    def as_if_no_task_ran(self: Dispatcher, sent: int, running: int) -> int:
        return wanted(self, sent, 0)

    patch.replace(wanted, as_if_no_task_ran)


@MUTATIONS.add("what was just sent does not count", seed=20, breaks="peace")
def _(patch: Patch) -> None:
    wanted = Dispatcher._wanted

    def as_if_nothing_was_sent(self: Dispatcher, sent: int, running: int) -> int:
        return wanted(self, 0, running)

    patch.replace(wanted, as_if_nothing_was_sent)


@MUTATIONS.add("the maximum number of tasks is ignored", seed=2, breaks="P6")
def _(patch: Patch) -> None:
    wanted = Dispatcher._wanted

    def without_limit(self: Dispatcher, sent: int, running: int) -> int:
        unlimited = replace(self, settings=replace(self.settings, max_tasks=10**9))
        return wanted(unlimited, sent, running)

    patch.replace(wanted, without_limit)


@MUTATIONS.add("messages that the queue did not take are dropped", seed=1800, breaks="P2")
def _(patch: Patch) -> None:
    send_batch = Dispatcher._send_batch

    def as_if_all_were_taken(self: Dispatcher, bodies: Sequence[str]) -> int:
        send_batch(self, bodies)
        return 0

    patch.replace(send_batch, as_if_all_were_taken)


@MUTATIONS.add("the maximum number of tasks is started whatever the backlog", seed=0, breaks="P6")
def _(patch: Patch) -> None:
    wanted = Dispatcher._wanted

    def always_the_most(self: Dispatcher, sent: int, running: int) -> int:
        wanted(self, sent, running)
        return self.settings.max_tasks

    patch.replace(wanted, always_the_most)


@MUTATIONS.add(
    "stopped tasks are listed though nothing would be started", seed=0, breaks="of an empty queue"
)
def _(patch: Patch) -> None:
    wanted = Dispatcher._wanted

    def and_ask(self: Dispatcher, sent: int, running: int) -> int:
        found = wanted(self, sent, running)
        if found <= running:
            self.fleet.last_stopped_failed()
        return found

    patch.replace(wanted, and_ask)


def _note_sweeps(patch: Patch) -> Callable[[], bool]:
    """Return whether a sweep is under way. Each invocation has a thread, and so a context."""
    scale_out = Dispatcher._scale_out
    in_sweep = ContextVar("in_sweep", default=False)

    def note(self: Dispatcher, *, sent: int = 0, sweep: bool = False) -> None:
        in_sweep.set(sweep)
        scale_out(self, sent=sent, sweep=sweep)

    patch.replace(scale_out, note)
    return in_sweep.get


def _without_calls(function: Any, *, to: type) -> Any:  # noqa: ANN401 - any function, and another like it
    """Write a function anew, with each call to `to` replaced by the call's first argument."""

    class FirstArgument(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            name = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            return node.args[0] if name == to.__name__ else node

    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    before = ast.dump(tree)
    tree = ast.fix_missing_locations(FirstArgument().visit(tree))
    assert ast.dump(tree) != before, f"{function.__qualname__} does not call {to.__name__}"
    namespace: dict[str, FunctionType] = {}
    code = compile(tree, inspect.getfile(function), "exec", dont_inherit=True)
    exec(code, function.__globals__, namespace)  # noqa: S102 - our own text
    return namespace[function.__name__]
