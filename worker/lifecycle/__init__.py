"""The stop request, and the supervision of background loops."""
