"""The reconciler: the Lambda function that submits files whose events were lost."""
