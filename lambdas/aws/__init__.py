"""What the functions have of AWS: clients and what is made of them, their environment, objects in S3."""
