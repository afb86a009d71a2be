"""AWS for the functions: clients, environment, metrics, objects in S3."""
