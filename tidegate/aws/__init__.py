"""AWS as the commands use it: the caller's account, its errors, and a deployed stack."""
