"""Selects the columns that the model reads, and the columns that pass through."""

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import CellForm, TableReader
from worker.formats.csv.header import shown_line
from worker.formats.csv.reader import CsvReader
from worker.formats.csv.values import is_number
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.parquet.reader import ParquetReader
from worker.formats.types.text_cells import MISSING_VALUES
from worker.quoting import MASK, is_masked

_ALL = ("*",)  # all columns, as in WORKER_KEEP_COLUMNS
_SHOWN_NAMES = 20
_COMPARED_NAMES = 500  # with a missing name, to find the nearest


@dataclass(frozen=True, slots=True)
class Selection:
    """The names of the columns that pass through, and the model's columns in its order."""

    kept: tuple[str, ...]
    features: tuple[Feature, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be read, once."""
        return tuple(dict.fromkeys((*self.kept, *(feature.column for feature in self.features))))


def select_from(reader: TableReader, inputs: ModelInputs, keep: Sequence[str] | None) -> Selection:
    """Select the columns to read from a file, as `select_columns` does.

    By position, JSON Lines must have the first row's keys in each row. Parquet's reader hears which
    columns the model reads.
    """
    if inputs.names is None and isinstance(reader, JsonLinesReader):
        reader.require_first_keys()
    selection = select_columns(
        reader.names,
        inputs,
        keep,
        cells=reader.cells,
        index_names=reader.index_names,
        csv=reader if isinstance(reader, CsvReader) else None,
    )
    if isinstance(reader, ParquetReader):
        reader.model_reads(feature.column for feature in selection.features)
    return selection


def select_columns(
    names: Sequence[str],
    inputs: ModelInputs,
    keep: Sequence[str] | None,
    *,
    cells: CellForm,
    index_names: Collection[str] = (),
    csv: CsvReader | None = None,
) -> Selection:
    """Select the columns to read from the names in a file.

    If `keep` is None the first column passes through; if it is `*`, all columns do. By position,
    the names of the index are no columns of the model. Raises SchemaMismatch if a column is
    missing, and Unparsable if the header is a row of data.
    """
    file = _Columns(names, csv)
    has_names = csv is None or csv.has_names
    if cells == "text":
        _refuse_first_line(file, inputs, csv)
    kept = _kept(file, keep)
    if inputs.names is not None and has_names:
        features = _by_name(file, inputs, inputs.names)
    else:
        features = _by_position(file, inputs, set(index_names))
    return Selection(kept, features)


class _Columns:
    """The columns of a file, and the errors about those that it lacks."""

    def __init__(self, names: Sequence[str], csv: CsvReader | None) -> None:
        self.names = tuple(names)
        self.present = frozenset(names)
        self._csv = csv

    def require(self, wanted: Sequence[str], role: str) -> None:
        """Raise SchemaMismatch if a wanted column is not in the file, or stands there twice."""
        self._refuse_repeated(wanted)
        missing = [name for name in wanted if name not in self.present]
        if not missing:
            return
        compared = () if self._names_are_masked else self.names
        shown = list(islice(_with_nearest(missing, compared), _SHOWN_NAMES))
        raise SchemaMismatch(
            f"{len(missing)} of the {len(wanted)} {role} are not in the file: "
            f"{', '.join(shown)}{_more(missing)}; {self.found()}"
            + self.title_hint(set(missing).issubset)
        )

    def found(self) -> str:
        """Return the names in the file and the delimiter, as errors show them."""
        found = f"the file has {self.listed(self.names) or 'no column'}"
        if self._csv is None:
            return found
        return f"{found}, with the delimiter {self._csv.delimiter!r} (WORKER_DELIMITER sets it)"

    def listed(self, names: Sequence[str]) -> str:
        """Return some of the file's names, as errors list them."""
        if self._names_are_masked:
            return f"{len(names)} columns ({MASK})"
        return _quoted(names[:_SHOWN_NAMES]) + _more(names)

    @property
    def _names_are_masked(self) -> bool:
        """Whether the names may be values: the first line of a CSV may be a row."""
        return is_masked() and self._csv is not None

    def _refuse_repeated(self, needed: Collection[str]) -> None:
        if len(self.present) == len(self.names):
            return
        times = Counter(self.names)
        if repeated := [name for name in needed if times[name] > 1]:
            raise SchemaMismatch(
                f"column names must differ; more than once there: {self.listed(repeated)}"
            )

    def title_hint(self, fits: Callable[[Collection[str]], bool]) -> str:
        """Return what to do if a later row fits better as the header than the first line."""
        if self._csv is None or self._csv.first_line is None:
            return ""
        line = self._csv.find_row(fits)
        if line is None:
            return ""
        return (
            f"; the first line ({self._csv.first_line}) is probably a title, and line {line} the "
            f"header: remove the lines before line {line}"
        )


def _refuse_first_line(file: _Columns, inputs: ModelInputs, csv: CsvReader | None) -> None:
    """Raise Unparsable if the first line is data, or a title; or a header where none should be."""
    if csv is not None and not csv.has_names:
        if inputs.names and set(inputs.names).issubset(csv.header.first):
            raise Unparsable(
                f"the first line ({shown_line(csv.header.first)}) has the model's column names, "
                "and WORKER_HEADER is absent: set it to present"
            )
        return
    if not file.present.intersection(inputs.names or ()):
        if csv is not None and csv.header.doubt is not None:
            raise Unparsable(csv.header.doubt)
        if _looks_like_data(file.names):
            raise Unparsable(
                f"the first line ({shown_line(file.names)}) looks like data, not like a header: a "
                "file needs one line of column names; set WORKER_HEADER=absent if it has none"
            )
    if csv is not None and csv.header.unnamed is not None:
        raise Unparsable(csv.header.unnamed)


def _kept(file: _Columns, keep: Sequence[str] | None) -> tuple[str, ...]:
    if keep is None:
        kept = file.names[:1]
    elif tuple(keep) == _ALL:
        kept = file.names
    else:
        kept = tuple(dict.fromkeys(keep))
    file.require(kept, "columns to keep (WORKER_KEEP_COLUMNS)")
    return kept


def _by_name(file: _Columns, inputs: ModelInputs, names: Sequence[str]) -> tuple[Feature, ...]:
    columns = _columns_with_spaces(file, names) if inputs.spaces_as_underscores else {}
    specs = [inputs.spec(position, name) for position, name in enumerate(names)]
    features = tuple(
        Feature(columns.get(name, name), name, spec)
        for name, spec in zip(names, specs, strict=True)
        if spec is None or spec.type != "unused"
    )
    file.require([feature.column for feature in features], "model's columns")
    return features


def _columns_with_spaces(file: _Columns, names: Sequence[str]) -> dict[str, str]:
    """Return the file's column for each name that is there only with spaces for underscores.

    A name for which several columns fit has none.
    """
    fitting = defaultdict(list)
    for column in file.present:
        fitting[column.replace(" ", "_")].append(column)
    return {
        name: fitting[name][0]
        for name in names
        if name not in file.present and len(fitting.get(name, ())) == 1
    }


def _by_position(
    file: _Columns, inputs: ModelInputs, index_names: Collection[str]
) -> tuple[Feature, ...]:
    columns = tuple(name for name in file.names[1:] if name not in index_names)
    count = inputs.count if inputs.names is None else len(inputs.names)
    if count is not None and len(columns) != count:
        raise SchemaMismatch(
            f"the model takes {count} columns by position, and the file has {len(columns)} after "
            f"the first: {file.listed(columns) or 'none'}; "
            f"{file.found()}{_wider_hint(file)}"
        )
    if not columns:
        raise SchemaMismatch(
            f"the file has no column but {file.listed(file.names)}: nothing to predict on; "
            f"{file.found()}{_wider_hint(file)}"
        )
    file.require(columns, "model's columns")
    return tuple(
        # A column that the model drops holds its place, with any cells.
        Feature(column, name, inputs.spec(position, name))
        for position, (column, name) in enumerate(
            zip(columns, inputs.names or columns, strict=True)
        )
    )


def _wider_hint(file: _Columns) -> str:
    return file.title_hint(lambda cells: len(cells) > len(file.names))


def _with_nearest(missing: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Return each missing name with the most similar name in the file, if there is one."""
    present = {_simplified(other): other for other in names}
    compared = list(islice(present, _COMPARED_NAMES))
    for name in missing:
        simplified = _simplified(name)
        near = [simplified] if simplified in present else []
        near = near or difflib.get_close_matches(simplified, compared, n=1)
        if not near:
            yield repr(name)
            continue
        other = present[near[0]]
        # The composed and the decomposed form of a letter look the same, so show code points.
        show = ascii if _composed(name) == _composed(other) else repr
        yield f"{show(name)} (nearest: {show(other)})"


def _simplified(name: str) -> str:
    """Return a name without the differences that people make when they type it."""
    return _composed(name).casefold().strip()


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _more(names: Sequence[str]) -> str:
    """Return how many names are not shown."""
    return f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""


def _looks_like_data(names: Sequence[str]) -> bool:
    """Return whether a first line is probably a row of data and not a header.

    It is if all cells after the first are numbers or missing, and the first is a number or one
    of the others has a decimal point. The numbers 0, 1, 2 ... are a header: pandas names columns
    so if they have no names.
    """
    if list(names) == [str(position) for position in range(len(names))]:
        return False
    first, rest = names[:1], names[1:]
    if not all(is_number(name) or name.strip() in MISSING_VALUES for name in rest):
        return False
    return any(map(is_number, first)) or any("." in name and is_number(name) for name in rest)
