"""The dispatcher: a Lambda function that turns S3 events into messages and starts workers."""
