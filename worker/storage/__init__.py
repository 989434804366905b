"""Objects: downloaded, uploaded, and written on a condition; `s3` makes every call to S3."""
