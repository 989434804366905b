"""One file to its predictions, inside a pool process."""
