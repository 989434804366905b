"""The footer of a Parquet file, as Thrift encodes it. Imports nothing heavy."""
