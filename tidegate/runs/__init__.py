"""Runs: what of a prefix is predicted, by listings of S3, and the messages for the rest."""
