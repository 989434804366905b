"""The commands `tidegate pause` and `tidegate resume`."""

from tidegate.cli.operating.redrive import wake
from tidegate.cli.operating.screen import count, err, line, opened, plain, print_json
from tidegate.operating import queues, tasks


def pause(name: str | None, *, now: bool, as_json: bool, show_commands: bool) -> int:
    """Let no worker start; with `now`, stop those that run."""
    account, stack = opened(name, show_commands=show_commands)
    out = stack.outputs
    since = queues.pause(account.client("sqs"), out["QueueUrl"])
    ecs, family = account.client("ecs"), tasks.family_of(out["TaskDefinition"])
    if now:
        stopped = tasks.stop_all(ecs, out["Cluster"], family)
        text = f"; {count(stopped, 'worker')} told to stop: their files wait in the queue again"
    else:
        stopped = 0
        running = len(tasks.listed(ecs, out["Cluster"], family, tasks.LIVE))
        text = (
            f"; {count(running, 'worker')} still at work until the queue is empty: "
            "`tidegate pause --now` stops them"
            if running
            else ", and none runs"
        )
    if as_json:
        print_json({"paused_since": since, "workers_stopped": stopped})
    errors = err()
    line(errors, f"[bold yellow]paused[/] since {plain(since)}: no worker starts{text}.")
    line(
        errors, "Files that land wait in the queue, which keeps them for 4 days: `tidegate resume`"
    )
    return 0


def resume(name: str | None, *, as_json: bool, show_commands: bool) -> int:
    """Let workers start again, and start those that the queue needs."""
    account, stack = opened(name, show_commands=show_commands)
    sqs, url = account.client("sqs"), stack.outputs["QueueUrl"]
    since = queues.paused_since(sqs, url)
    queues.resume(sqs, url)
    wake(account, stack)
    waiting = queues.count(sqs, url).waiting
    if as_json:
        print_json({"paused_since": since or None, "waiting": waiting})
    what = f"resumed after {plain(since)}" if since else "it was not paused"
    line(err(), f"[green]{what}[/]: {count(waiting, 'file')} waiting. `tidegate status`")
    return 0
