"""The commands for many files: `submit`, `rescore`, `wait`, `cancel`, `compare`."""
