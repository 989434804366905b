"""Advice: the cause of what AWS or the machine refuses, and the next step of the person."""
