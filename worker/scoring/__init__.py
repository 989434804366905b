"""Turns one file into its predictions, inside a pool process."""
