"""Lambda: events wait their turn, and those of EventBridge are tried again as all others are.

MiniStack starts a Python for each event of a burst, which takes a machine longer than the work.
"""

import json
import os
import threading
from typing import Any

from ministack.services import eventbridge, lambda_svc

_execute = lambda_svc._execute_function  # noqa: SLF001 - MiniStack has no public hooks
_turns = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def install() -> None:
    """Replace MiniStack's functions."""
    lambda_svc._execute_function = execute  # noqa: SLF001 - as above
    eventbridge._dispatch_to_lambda = dispatch  # noqa: SLF001 - as above


def execute(function: dict[str, Any], event: Any) -> Any:  # noqa: ANN401 - MiniStack has no types
    """Run a function, a few at once."""
    with _turns:
        return _execute(function, event)


def dispatch(arn: str, payload: str) -> None:
    """Invoke a rule's target as S3 does: in the background, with retries."""
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)  # noqa: SLF001 - as above
    if function and config:
        record = lambda_svc._execution_record_for_config(function, config)  # noqa: SLF001 - as above
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))
