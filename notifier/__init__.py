"""The notifier: a Lambda function that tells people and systems what has happened."""
