"""What shows that a deployment works: the model's check before, one file's way through after."""
