"""The commands of every day: `status`, `failures`, `redrive`, `show`, `logs`, `pause`, `resume`."""
