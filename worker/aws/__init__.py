"""What all calls to AWS share: clients, time limits, and what errors mean."""
