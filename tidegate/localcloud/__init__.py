"""AWS on this machine: the MiniStack emulator, a small Fargate, and the deployed stack."""
