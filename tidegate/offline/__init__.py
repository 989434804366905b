"""Predicts files on this machine, without a cloud, by the code that a worker runs."""
