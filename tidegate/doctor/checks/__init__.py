"""The checks: each looks at one part of a stack and returns what it found."""
