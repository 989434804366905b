"""Runs: what of a prefix is predicted, by two listings of S3, and the messages for the rest."""
