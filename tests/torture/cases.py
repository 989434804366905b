"""All hard files."""

from tests.torture import (
    converted,
    csv_cells,
    csv_refused,
    csv_rows,
    encodings,
    features,
    foreign,
    gzip_files,
    json_lines,
    keys,
    parquet_layouts,
    parquet_types,
    zstd_files,
)

CASES = (
    *csv_cells.CASES,
    *csv_rows.CASES,
    *csv_refused.CASES,
    *json_lines.CASES,
    *parquet_types.CASES,
    *parquet_layouts.CASES,
    *gzip_files.CASES,
    *zstd_files.CASES,
    *encodings.CASES,
    *foreign.CASES,
    *features.CASES,
    *converted.CASES,
    *keys.CASES,
)
