"""Run time: what goes to AWS. In the folder itself stand the functions, a module each, and nothing else.

loops/     human loops: started, kept in the ledger, waited for, restarted, looked after
aws/       clients, environment, metrics, objects in S3
reviews/   the domain, without AWS: events, outputs, comparison, records

A function's module is read, never imported, when the stack is assembled: it has `handler`, and says in the literal
`FUNCTION` what memory, time and permissions it takes.
"""
