"""The demo: its input files, its scenario, its checks and what it shows."""
