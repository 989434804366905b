"""JSON Lines: rows and their cells, reader, writer."""
