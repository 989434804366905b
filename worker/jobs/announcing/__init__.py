"""Announcing: the events of files, and when a worker sends them."""
