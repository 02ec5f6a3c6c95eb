"""What Headroom does in large accounts: the real adapters against an AWS below botocore, in virtual
time."""
