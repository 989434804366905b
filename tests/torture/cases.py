"""The list of all cases."""

from tests.torture import (
    conversion,
    csv_cells,
    csv_dialects,
    csv_refused,
    csv_rows,
    csv_strict,
    encodings,
    features,
    gzip_files,
    json_lines,
    keys,
    other_formats,
    parquet_layouts,
    parquet_types,
    training,
    zstd_files,
)

CASES = (
    *csv_cells.CASES,
    *csv_rows.CASES,
    *csv_refused.CASES,
    *csv_dialects.CASES,
    *csv_strict.CASES,
    *json_lines.CASES,
    *parquet_types.CASES,
    *parquet_layouts.CASES,
    *gzip_files.CASES,
    *zstd_files.CASES,
    *encodings.CASES,
    *other_formats.CASES,
    *features.CASES,
    *conversion.CASES,
    *training.CASES,
    *keys.CASES,
)
