"""Parquet: byte ranges read as a file, row groups, reader, writer."""
