"""Takes a stack up, changes it and takes it down: `tidegate deploy`, `push` and `destroy`."""
