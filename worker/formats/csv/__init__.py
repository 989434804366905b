"""CSV: dialect, blocks of whole rows, reader, rejected rows, writer."""
