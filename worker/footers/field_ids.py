"""The ids of the fields of a Parquet footer, from parquet.thrift."""

SCHEMA, ROWS, ROW_GROUPS, KEY_VALUES, ENCRYPTION, SIGNING_KEY = 2, 3, 4, 5, 8, 9  # of the footer
CHUNKS, GROUP_OFFSET, ORDINAL = 1, 5, 7  # of a row group
CHUNK_OFFSET, METADATA, CRYPTO_METADATA = 2, 3, 8  # of a column's chunk
PATH, DATA_OFFSET, DICTIONARY_OFFSET, STATISTICS = 3, 9, 11, 12  # of its metadata
NULL_COUNT = 3  # of statistics
