"""The subcommands of `tidegate`: their options and their help, and nothing slow to import."""
