"""The last log line of a worker that failed."""

import pytest
from structlog.testing import LogCapture

from worker.__main__ import _fail
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


def test_a_settings_error_is_printed_and_not_logged(
    logs: LogCapture, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SettingsError("WORKER_HEARTBEAT_SECONDS (20) is too long")
    assert _fail(ExceptionGroup("service", [error])) == 2
    assert not logs.entries
    assert capsys.readouterr().err.startswith("error: WORKER_HEARTBEAT_SECONDS (20)")
