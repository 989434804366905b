"""The last line of a worker that failed."""

import pytest
from structlog.testing import LogCapture

from worker.__main__ import _fail
from worker.errors import FatalError, SettingsError, TransientError

GONE = FatalError("receiving messages: the queue does not exist")


def test_what_ended_the_worker_is_named_before_what_passes(logs: LogCapture) -> None:
    inner = ExceptionGroup("polls", [TransientError("receiving messages: timeout"), GONE])
    assert _fail(ExceptionGroup("service", [TransientError("a beat"), inner])) == 1
    (line,) = logs.entries
    assert line["event"] == "worker failed"
    assert (line["error_type"], line["error"]) == ("FatalError", str(GONE))
    assert line["also"] == [
        "TransientError: a beat",
        "TransientError: receiving messages: timeout",
    ]
    assert line["exc_info"] is None


def test_loops_that_die_of_the_same_thing_say_it_once(logs: LogCapture) -> None:
    assert _fail(ExceptionGroup("polls", [GONE, FatalError(str(GONE))])) == 1
    (line,) = logs.entries
    assert "also" not in line


@pytest.mark.parametrize("named", [FatalError, ZeroDivisionError])
def test_what_nobody_foresaw_has_its_traceback_whatever_is_named_first(
    logs: LogCapture, named: type[Exception]
) -> None:
    error = ZeroDivisionError("division by zero")
    beside = GONE if named is FatalError else TransientError("timeout")
    assert _fail(ExceptionGroup("service", [beside, error])) == 1
    (line,) = logs.entries
    assert line["error_type"] == named.__name__
    assert line["exc_info"] is error


def test_settings_that_are_refused_are_no_failure(
    logs: LogCapture, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SettingsError("WORKER_HEARTBEAT_SECONDS (20) is too long")
    assert _fail(ExceptionGroup("service", [error])) == 2
    assert not logs.entries
    assert capsys.readouterr().err.startswith("error: WORKER_HEARTBEAT_SECONDS (20)")
