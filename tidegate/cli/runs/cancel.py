"""The command `tidegate cancel`: the files of a run that no worker has begun are not predicted."""

from tidegate.cli.operating.screen import confirm, err, line, opened, plain, print_json
from tidegate.runs.record import cancel as mark
from tidegate.runs.record import is_cancelled, read_request
from tidegate.runs.stack_runs import StackRuns
from worker.errors import TidegateError


def cancel(
    name: str | None, run: str | None, *, yes: bool, as_json: bool, show_commands: bool
) -> int:
    """Cancel a run."""
    account, stack = opened(name, show_commands=show_commands)
    record, request = read_request(StackRuns(account, stack).records, run)
    run, s3 = request.run, account.client("s3")
    if record.summary() is not None:
        raise TidegateError(f"the run {run} has ended already: `tidegate wait {run}` says how")
    question = f"Cancel the run {run} of {request.source}?"
    if not is_cancelled(s3, request):
        if not confirm(question, yes=yes, command=f"tidegate cancel {run}"):
            return 0
        mark(s3, request)
    if as_json:
        print_json({"run": run, "cancelled": True})
    line(
        err(),
        f"[bold yellow]cancelled[/]: workers drop the messages of {plain(run)} within a minute; "
        f"what is under way is predicted. `tidegate wait {plain(run)}`",
    )
    return 0
