"""The demo: its input files, its story, and the checks of every prediction."""
