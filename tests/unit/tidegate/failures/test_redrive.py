"""Redrive: the newest version goes again, and what told of the failure is cleared after that."""

import json
from collections.abc import Sequence

import pytest

from tests.support.mocked_stack import OUTPUT, MockedStack
from tests.support.schemas import checked
from tidegate.aws.account import Account
from tidegate.aws.stack import find
from tidegate.cli.main import main
from tidegate.failures.dead_letters import held
from tidegate.failures.reports import StackKeys, clear, listed

Shown = pytest.CaptureFixture[str]


def fail_three(world: MockedStack) -> None:
    for minute, name in enumerate("abc"):
        world.fail(world.put_input(f"{name}.csv"), minutes=minute)


def test_a_failed_file_goes_again_and_nothing_is_left_of_its_failure(world: MockedStack) -> None:
    job = world.put_input("a b.csv")
    world.fail(job)
    world.fail(world.put_input("other.csv"), "SchemaMismatch")

    assert main(["redrive", "a b.csv", "--yes"]) == 0

    assert world.waiting() == [{**job, "redrives": 1}]
    assert world.reports() == ["predictions/_failed/other.csv.json"]
    assert world.letters() == 1


def test_the_newest_version_goes(world: MockedStack) -> None:
    world.fail(world.put_input("a.csv") | {"run": "r1"})
    mended = world.put_input("a.csv", b"id,a\n1,3\n")

    main(["redrive", "--all", "--yes"])

    (message,) = world.waiting()
    assert (message["version_id"], message["etag"]) == (mended["version_id"], mended["etag"])
    assert "sequencer" not in message, "it is the older version's"
    assert message["run"] == "r1"


def test_some_go_first_and_the_rest_when_asked_again(world: MockedStack, capsys: Shown) -> None:
    fail_three(world)

    assert main(["redrive", "Unparsable", "--first", "1", "--yes"]) == 0
    told = capsys.readouterr().err
    assert [message["key"] for message in world.waiting()] == ["c.csv"]
    assert "2 files left: once these are predicted, `tidegate redrive Unparsable`" in told

    assert main(["redrive", "Unparsable", "--yes"]) == 0
    assert sorted(message["key"] for message in world.waiting()) == ["a.csv", "b.csv"]
    assert world.reports() == []


def test_the_count_of_redrives_goes_on(world: MockedStack, capsys: Shown) -> None:
    world.fail(world.put_input("a.csv") | {"redrives": 2})

    main(["failures"])
    assert "submitted again 2 times" in capsys.readouterr().out
    main(["redrive", "--all", "--yes"])
    assert world.waiting()[0]["redrives"] == 3


def test_a_letter_that_sqs_has_moved_goes_again_by_itself(world: MockedStack) -> None:
    killed = world.put_input("killed.csv")
    world.bury(json.dumps(killed))
    world.bury("no job", error_type="UnreadableBody", error_message="no job")

    assert main(["redrive", "NoReason", "--yes"]) == 0

    assert world.waiting() == [{**killed, "redrives": 1}]
    assert world.letters() == 1


def test_what_is_resolved_does_not_go_again(world: MockedStack, capsys: Shown) -> None:
    job = world.put_input("a.csv")
    world.fail(job)
    world.put_output(job, minutes=1)

    assert main(["redrive", "--all", "--yes"]) == 0

    assert "nothing was submitted" in capsys.readouterr().err
    assert world.waiting() == []
    assert len(world.reports()) == 1


def test_an_input_that_was_absent_stays_among_the_failures(
    world: MockedStack, capsys: Shown
) -> None:
    gone = world.put_input("gone.csv")
    world.fail(gone, "NoSuchInput")
    world.s3.delete_object(Bucket=gone["bucket"], Key="gone.csv")
    world.fail(world.put_input("a.csv"))

    assert main(["redrive", "--all", "--yes"]) == 3

    assert "there is no such input any more" in capsys.readouterr().err
    assert [message["key"] for message in world.waiting()] == ["a.csv"]
    assert world.reports() == ["predictions/_failed/gone.csv.json"]


def test_a_dry_run_changes_nothing(world: MockedStack, capsys: Shown) -> None:
    fail_three(world)

    assert main(["redrive", "--all", "--dry-run"]) == 0

    assert capsys.readouterr().out.count("would submit s3://tide-input/") == 3
    assert main(["redrive", "--all", "--dry-run", "--json"]) == 0
    assert len(checked("redrive", capsys.readouterr().out)["would_submit"]) == 3
    assert (world.waiting(), len(world.reports()), world.letters()) == ([], 3, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["redrive"], 2, "give --all"),
        (["redrive", "a.csv", "--all"], 2, "give --all"),
        (["redrive", "a.csv"], 2, "`tidegate redrive a.csv --yes`"),
        (["redrive", "--all", "--first", "2"], 2, "`tidegate redrive --all --first 2 --yes`"),
        (["redrive", "typo", "--yes"], 1, "no failure is named typo: `tidegate failures`"),
        (["redrive", "NoJob", "--yes"], 1, "these dead letters are no jobs"),
    ],
)
def test_a_mistake_ends_with_the_next_command(
    world: MockedStack, capsys: Shown, arguments: Sequence[str], status: int, words: str
) -> None:
    world.fail(world.put_input("a.csv"))
    world.bury("no job")

    assert main(arguments) == status

    assert words in capsys.readouterr().err
    assert world.waiting() == []
    assert world.letters() == 2


def test_where_the_dispatcher_cannot_be_woken_the_sweep_is_named(
    world: MockedStack, capsys: Shown
) -> None:
    world.fail(world.put_input("a.csv"))

    assert main(["redrive", "--all", "--yes"]) == 0  # there is no function on moto

    assert "workers start within five minutes" in capsys.readouterr().err


def test_a_report_that_was_written_meanwhile_is_not_cleared(world: MockedStack) -> None:
    job = world.put_input("a.csv")
    world.fail(job, message="first")
    layout = StackKeys.of(find(Account(), None))
    (first,) = listed(world.s3, layout)
    world.fail(job, message="second")

    clear(world.s3, OUTPUT, first)

    assert len(world.reports()) == 1


def test_letters_that_are_held_are_visible_again_at_the_end(world: MockedStack) -> None:
    fail_three(world)
    url = world.outputs["DeadLetterQueueUrl"]

    with held(world.sqs, url) as (letters, delete):
        assert world.letters() == 0
        delete(letters[:1])

    assert world.letters() == 2
