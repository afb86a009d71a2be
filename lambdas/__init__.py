"""Run time: the code that is deployed to AWS. The folder itself contains one module per Lambda function.

loops/     human loops: ledger, starts, restarts, waiting workflows, reconciliation
aws/       clients, environment, metrics, objects in S3
reviews/   the domain, without AWS: events, outputs, comparison, records

A function's module has a `handler`, and a literal `FUNCTION` with its memory, timeout and permissions. The literal is
read from the source when the stack is assembled; the module is not imported.
"""
