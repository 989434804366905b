"""The parts of a large file form an unbroken chain, whoever predicts which of them, and when."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from worker.errors import (
    ModelRaised,
    PredictionFailed,
    TidegateError,
    TooManyRejected,
    TransientError,
    Unparsable,
)
from worker.footers import thrift
from worker.formats.parquet.footer import footer_at_end
from worker.interfaces import (
    FilePlan,
    OutputForm,
    OutputHeader,
    OutputPiece,
    Part,
    PartBegin,
    PartMessage,
    PartResult,
    Position,
    RejectedLines,
    RowGroups,
    ScoreResult,
)
from worker.scoring.part_chain import PartChain

HEADER = OutputHeader(b"id,total\n", "total (double)")
EMPTY = OutputHeader(b"id,nothing\n", "nothing (double)")


def chain_of(parts: int, *, max_rejected: float = 1) -> PartChain:
    """Return the chain of a file with parts of 100 bytes, whose first row is on line 2 at 5."""
    plan = FilePlan(
        OutputForm("text/csv", None),
        Position(5, 2),
        range(0, 100 * parts, 100),
        100 * parts,
        "line",
        b"",
    )
    return PartChain(plan, max_rejected)


def piece(data: bytes) -> OutputPiece:
    return OutputPiece(data, rejects=False)


def result(
    end: int,
    *,
    lines: int = 10,
    rows: int = 10,
    rejected: int = 0,
    raising: int = 0,
    shown: Sequence[tuple[int, str]] = (),
    empty: OutputHeader | TidegateError | None = None,
) -> PartResult:
    return PartResult(end, lines, rows, rows + rejected, rejected, raising, shown, empty)


def next_part(chain: PartChain) -> Part:
    part = chain.next_part()
    assert part is not None
    return part


def send(chain: PartChain, part: Part, *messages: PartMessage) -> tuple[bytes, bytes]:
    """Return what is written of the output, and of the rejected rows."""
    written = [piece for message in messages for piece in chain.add(part, message)]
    output, rejects = (
        b"".join(piece.data for piece in written if piece.rejects is rejects)
        for rejects in (False, True)
    )
    return output, rejects


def test_one_process_predicts_part_after_part_and_knows_where_each_begins() -> None:
    chain = chain_of(2)
    first = next_part(chain)
    assert first == Part(0, Position(5, 2))
    sent = send(chain, first, PartBegin(5), HEADER, piece(b"a,1\n"), result(107, lines=7))
    assert sent == (b"id,total\na,1\n", b"")
    second = next_part(chain)
    assert second == Part(1, Position(107, 9), has_predicted=True)
    assert send(chain, second, PartBegin(107), HEADER, piece(b"b,2\n"), result(200)) == (
        b"b,2\n",
        b"",
    )
    assert chain.is_complete
    assert (chain.next_part(), chain.result(), chain.repeats) == (None, ScoreResult(20, 0), 0)


def test_the_output_of_a_later_part_is_held_until_the_chain_has_reached_it() -> None:
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    assert second == Part(1, None, has_predicted=True)
    assert send(chain, second, PartBegin(107), HEADER, piece(b"b,2\n")) == (b"", b"")
    assert (chain.is_head(second), chain.held_bytes) == (False, 4)
    assert send(chain, first, PartBegin(5), HEADER, result(107)) == (b"id,total\nb,2\n", b"")
    assert (chain.is_head(second), chain.held_bytes) == (True, 0)
    assert send(chain, second, piece(b"c,3\n")) == (b"c,3\n", b"")


def test_a_part_that_has_begun_at_the_wrong_place_is_predicted_again_from_the_right_one() -> None:
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    send(chain, second, PartBegin(101), HEADER, piece(b"wrong\n"))
    assert not chain.needs_process
    assert send(chain, first, PartBegin(5), HEADER, result(107, lines=7)) == (b"id,total\n", b"")
    assert (chain.is_void(second), chain.needs_process, chain.repeats) == (True, True, 1)
    assert send(chain, second, piece(b"wrong\n"), result(200)) == (b"", b"")
    again = next_part(chain)
    assert again == Part(1, Position(107, 9), has_predicted=True)
    send(chain, again, PartBegin(107), result(200))
    assert chain.is_complete


def test_parts_within_a_long_row_are_skipped() -> None:
    chain = chain_of(4)
    first, *others = (next_part(chain) for _ in range(3))
    send(chain, first, PartBegin(5), HEADER, result(310))
    assert all(map(chain.is_void, others))
    assert next_part(chain) == Part(3, Position(310, 12), has_predicted=True)


def test_lines_of_rejected_rows_count_from_the_begin_of_the_file() -> None:
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    send(chain, second, PartBegin(107), RejectedLines([(0, b"bad,x"), (3, b"bad,y")]))
    send(chain, first, PartBegin(5), RejectedLines([(4, b"bad,z")]))
    rejects = send(chain, first, result(107, lines=7))[1]
    assert rejects == b"9,bad,x\n12,bad,y\n"


def test_an_error_of_a_guess_does_not_count() -> None:
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    send(chain, second, PartBegin(101), Unparsable("line 3: wrong"))
    send(chain, first, PartBegin(5), HEADER, result(107))
    again = next_part(chain)
    with pytest.raises(Unparsable, match="line 15: right"):
        send(chain, again, PartBegin(107), Unparsable("line 15: right"))


def test_a_guess_made_as_if_rows_were_predicted_before_is_made_again_if_none_were() -> None:
    """Rows are bad if the model raises on them and has predicted others, so it must be known."""
    chain = chain_of(3)
    first, second, third = (next_part(chain) for _ in range(3))
    assert (first.has_predicted, second.has_predicted, third.has_predicted) == (False, True, True)
    bad = RejectedLines([(0, b"bad,b")])
    send(chain, second, PartBegin(107), bad, result(201, rows=0, rejected=1))
    send(chain, third, PartBegin(201), HEADER, piece(b"c,3\n"), result(300))
    send(chain, first, PartBegin(5), result(107, rows=0, rejected=1))
    again = next_part(chain)
    assert again == Part(1, Position(107, 12), has_predicted=False)
    assert send(chain, again, PartBegin(107), HEADER, result(201, rows=1)) == (
        b"id,total\nc,3\n",
        b"",
    )
    assert chain.result() == ScoreResult(11, 1)


def test_an_error_counts_only_when_the_chain_has_reached_its_part() -> None:
    chain = chain_of(3)
    first, second, third = (next_part(chain) for _ in range(3))
    send(chain, third, Unparsable("the third part"))
    with pytest.raises(Unparsable, match="the first part"):
        send(chain, first, PartBegin(5), Unparsable("the first part"))
    assert not chain.is_head(second)


def test_a_part_that_fails_once_and_then_does_not_fails_the_job_for_now() -> None:
    """Its output was written already, and must not be written twice."""
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    send(chain, first, PartBegin(5), HEADER, result(107))
    assert send(chain, second, PartBegin(107), HEADER, piece(b"b,2\n")) == (b"b,2\n", b"")
    send(chain, second, ModelRaised("a passing fault"))
    again = next_part(chain)
    assert send(chain, again, PartBegin(107), HEADER, piece(b"b,2\n")) == (b"", b"")
    with pytest.raises(TransientError, match="did not fail again"):
        send(chain, again, result(200))


def test_without_allowance_the_first_part_with_a_rejected_row_fails_the_file() -> None:
    chain = chain_of(3, max_rejected=0)
    first, second = next_part(chain), next_part(chain)
    bad = result(200, rejected=2, shown=[(1, "bad"), (2, "worse")])
    send(chain, second, PartBegin(107), bad)
    with pytest.raises(TooManyRejected) as caught:
        send(chain, first, PartBegin(5), HEADER, result(107, lines=7))
    assert str(caught.value) == (
        "at least 2 of the first 22 rows are bad, and WORKER_MAX_REJECTED=0 allows no more than "
        "that share: line 10: bad; line 11: worse; the rest was not read"
    )


def test_a_share_of_rejected_rows_is_that_of_the_whole_file() -> None:
    chain = chain_of(2, max_rejected=0.5)
    first, second = next_part(chain), next_part(chain)
    shown = [(line, "bad") for line in range(8)]
    send(chain, second, PartBegin(107), result(200, rows=1, rejected=8, shown=shown))
    with pytest.raises(TooManyRejected) as caught:
        send(chain, first, PartBegin(5), HEADER, result(107, rows=1, rejected=8, shown=shown))
    assert str(caught.value).startswith("16 of 18 rows are bad")
    assert "; line 13: bad; and 6 more" in str(caught.value)


def test_the_models_columns_must_be_the_same_in_all_parts() -> None:
    chain = chain_of(2)
    first, second = next_part(chain), next_part(chain)
    send(chain, second, PartBegin(107), OutputHeader(b"id,other\n", "other (int64)"))
    with pytest.raises(PredictionFailed, match=r"total \(double\) for the first rows and other"):
        send(chain, first, PartBegin(5), HEADER, result(107))


@pytest.mark.parametrize("good", [0, 1])
def test_the_header_is_that_of_the_first_part_with_a_predicted_row(good: int) -> None:
    chain = chain_of(2)
    output = b""
    for number, (begin, end) in enumerate([(5, 107), (107, 200)]):
        is_good = number == good
        header = [HEADER] if is_good else []
        ended = result(end, rows=int(is_good), empty=None if is_good else EMPTY)
        output += send(chain, next_part(chain), PartBegin(begin), *header, ended)[0]
    assert output == b"id,total\n"


def test_a_file_without_a_good_row_has_the_header_of_a_table_without_rows() -> None:
    chain = chain_of(1)
    part = next_part(chain)
    assert send(chain, part, PartBegin(5), result(100, rows=0, empty=EMPTY))[0] == b"id,nothing\n"


def test_a_parquet_output_ends_once_although_a_later_guess_begins_at_the_end_of_the_file() -> None:
    chain = chain_of(2)
    header = replace(HEADER, footer=thrift.encode({}))
    entry = thrift.encode_movable({5: (thrift.I64, thrift.Offset(4))})
    groups = RowGroups([entry, entry], size=3, rows=7)
    first, second = next_part(chain), next_part(chain)
    send(chain, second, PartBegin(200), result(200, rows=0, empty=header))
    output, _ = send(
        chain, first, PartBegin(5), header, piece(b"row groups"), groups, result(200, rows=7)
    )
    assert output.startswith(b"id,total\nrow groups")
    assert output.count(b"PAR1") == 1
    assert footer_at_end(output) == thrift.encode(
        {
            3: (thrift.I64, 7),
            4: (thrift.LIST, thrift.Sequence(thrift.STRUCT, [entry.at(0), entry.at(0)])),
        }
    )
    assert chain.is_complete


def test_a_model_that_cannot_predict_no_rows_fails_a_file_without_a_good_row_only() -> None:
    error = ModelRaised("on a table without rows")
    chain = chain_of(2)
    send(chain, next_part(chain), PartBegin(5), result(107, rows=0, empty=error))
    send(chain, next_part(chain), PartBegin(107), HEADER, result(200))
    assert chain.is_complete
    chain = chain_of(1)
    with pytest.raises(ModelRaised, match="without rows"):
        send(chain, next_part(chain), PartBegin(5), result(100, rows=0, empty=error))
