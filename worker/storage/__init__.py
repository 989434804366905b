"""Objects: downloaded, uploaded, and written conditionally; `s3` makes every call to S3."""
