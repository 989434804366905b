"""The demo's input files: every format, awkward keys, and one file that cannot be predicted."""

import gzip
import io
from dataclasses import dataclass

import pandas as pd

# Keys that break when they are URL-decoded twice or not at all. Each file has rows of its own, so
# that an output under the wrong key has the wrong rows.
KEYS = (
    "iris.csv",
    "2024/06/field notes.csv",
    "a+b=c.csv",
    "100%25 petals.csv",
    "Blüten/größe.csv",
    "アヤメ/花.csv",
    "deep/down/in/folders.csv.gz",
    "spaces and+plus.csv.gz",
    "50%.csv.gz",
    "iris.parquet",
    "été 2018/à+demi.parquet",
)
BROKEN_KEY = "no petals.csv"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to upload."""

    key: str
    content: bytes
    broken: bool = False


def make_inputs(flowers: pd.DataFrame) -> list[InputFile]:
    """Shuffle the flowers and spread them over a dozen files; the first file holds all of them."""
    flowers = flowers.sample(frac=1, random_state=7)
    shares = [flowers, *(flowers[start :: len(KEYS) - 1] for start in range(len(KEYS) - 1))]
    files = [InputFile(key, encode(key, share)) for key, share in zip(KEYS, shares, strict=True)]
    petals = [column for column in flowers.columns if column.startswith("petal")]
    broken = encode(BROKEN_KEY, flowers.drop(columns=petals))
    return [*files, InputFile(BROKEN_KEY, broken, broken=True)]


def encode(key: str, table: pd.DataFrame) -> bytes:
    """Write a table in the format that its key names."""
    if key.endswith(".parquet"):
        return bytes(table.to_parquet(index=False))
    text = table.to_csv(index=False).encode()
    return gzip.compress(text) if key.endswith(".gz") else text


def decode(key: str, content: bytes) -> pd.DataFrame:
    """Read a table in the format that its key names, the first column as text."""
    if key.endswith(".parquet"):
        return pd.read_parquet(io.BytesIO(content))
    if key.endswith(".gz"):
        content = gzip.decompress(content)
    return pd.read_csv(io.BytesIO(content), dtype={0: str})
