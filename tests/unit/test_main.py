"""The last log line of a worker that failed."""

import errno

import pytest
from structlog.testing import LogCapture

from worker.__main__ import _fail, _print_settings_error
from worker.errors import FatalError, SettingsError, TransientError

FATAL = FatalError("receiving messages: the queue does not exist")


def test_a_fatal_error_is_named_before_transient_errors(logs: LogCapture) -> None:
    inner = ExceptionGroup("polls", [TransientError("receiving messages: timeout"), FATAL])
    assert _fail(ExceptionGroup("service", [TransientError("a heartbeat"), inner])) == 1
    (line,) = logs.entries
    assert line["event"] == "worker failed"
    assert (line["error_type"], line["error"]) == ("FatalError", str(FATAL))
    assert line["also"] == [
        "TransientError: a heartbeat",
        "TransientError: receiving messages: timeout",
    ]
    assert line["exc_info"] is None


def test_loops_that_fail_for_the_same_reason_are_one_entry(logs: LogCapture) -> None:
    assert _fail(ExceptionGroup("polls", [FATAL, FatalError(str(FATAL))])) == 1
    (line,) = logs.entries
    assert "also" not in line


@pytest.mark.parametrize("named", [FatalError, ZeroDivisionError])
def test_an_unexpected_error_is_logged_with_its_traceback_also_behind_a_fatal_error(
    logs: LogCapture, named: type[Exception]
) -> None:
    error = ZeroDivisionError("division by zero")
    other = FATAL if named is FatalError else TransientError("timeout")
    assert _fail(ExceptionGroup("service", [other, error])) == 1
    (line,) = logs.entries
    assert line["error_type"] == named.__name__
    assert line["exc_info"] is error


def test_what_the_machine_refuses_is_one_line_with_the_next_step_and_no_traceback(
    logs: LogCapture,
) -> None:
    error = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    assert _fail(error) == 1
    (line,) = logs.entries
    assert line["error_type"] == "FatalError"
    assert "Resource temporarily unavailable. Cause: the limit on processes" in line["error"]
    assert line["exc_info"] is None


def test_variables_that_are_no_settings_are_named_beside_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = SettingsError("WORKER_WAIT_SECONDS (20) must be below WORKER_DRAIN_SECONDS (10)")
    unknown = [("WORKER_DRAIN_SECOND", "WORKER_DRAIN_SECONDS"), ("WORKER_X", None)]
    assert _print_settings_error(error, unknown) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {error}",
        "warning: WORKER_DRAIN_SECOND is no setting: did you mean WORKER_DRAIN_SECONDS?",
        "warning: WORKER_X is no setting",
        "help: python -m worker --help lists every setting",
    ]


def test_a_settings_error_is_printed_and_not_logged(
    logs: LogCapture, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SettingsError("WORKER_HEARTBEAT_SECONDS (20) is too long")
    assert _fail(ExceptionGroup("service", [error])) == 2
    assert not logs.entries
    assert capsys.readouterr().err.startswith("error: WORKER_HEARTBEAT_SECONDS (20)")
