"""The types of the model's columns: by what is said of a column, or as pandas reads the whole file.

`conversion` converts a column as a ColumnSpec says, and finds the rows that do not fit;
`categories` are the values that training saw. Where
nothing is said of a column, `inference` keeps note of the kinds of its cells, and chooses the type
that pandas chooses: `csv_kinds` for CSV, `json_kinds` for JSON Lines, `arrow_kinds` for Parquet.
`text_cells`, `plain_columns` and `objects` are the casts that they share.
"""
