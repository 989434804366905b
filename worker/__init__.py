"""The worker: predicts the files that the messages of an SQS queue name, and writes to S3."""

__version__ = "0.1.0"
