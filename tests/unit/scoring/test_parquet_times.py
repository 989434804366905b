"""INT96, the times of Spark, Hive and Impala, on the whole way of a file."""

import io
from datetime import datetime

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tests.support.whole_file import score
from worker.interfaces import ScoreOptions

DAY = datetime(2024, 2, 29, 1, 2, 3, 456789)  # noqa: DTZ001 - Spark writes no zone
FAR = datetime(9999, 12, 31)  # noqa: DTZ001


class Keeper:
    """Keeps the frames that it gets."""

    feature_names_in_ = ("t",)

    def __init__(self) -> None:
        self.frames: list[pd.DataFrame] = []

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        self.frames.append(frame)
        return pd.DataFrame({"prediction": [float(len(frame))] * len(frame)})


def spark(**times: list[datetime]) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: pa.array(values, pa.timestamp("us")) for name, values in times.items()})
    parquet.write_table(table, buffer, use_deprecated_int96_timestamps=True, store_schema=False)
    return buffer.getvalue()


def test_int96_reaches_the_model_as_pandas_reads_it() -> None:
    keeper, body = Keeper(), spark(t=[DAY, DAY])
    score(body, keeper, ScoreOptions())
    assert keeper.frames[0].equals(pd.read_parquet(io.BytesIO(body)))


def test_a_time_beyond_nanoseconds_is_a_bad_row_of_the_model_and_passes_through_elsewhere() -> None:
    keeper, body = Keeper(), spark(kept=[FAR, DAY, FAR], t=[DAY, FAR, DAY])
    scored = score(body, keeper, ScoreOptions(max_rejected=0.5))
    assert (scored.rows, scored.rejected) == (2, 1)
    assert parquet.read_table(io.BytesIO(scored.output)).to_pydict() == {
        "kept": [FAR, FAR],
        "prediction": [2.0, 2.0],
    }
    assert scored.rejects is not None
    assert scored.rejects.startswith(
        b"line,reason,row\n2,column 't' is a time outside of the years"
    )
