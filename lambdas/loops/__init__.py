"""Human loops at run time: how they start, wait, restart and are reconciled, and the ledger that records them.

ledger.py          the DynamoDB table, one item per human loop
index_query.py     queries of its indexes
names.py           names that A2I accepts, and names derived from keys and restarts
start_request.py   what a caller sends to start a loop, and the errors that a start can raise
starting.py        starts and restarts loops, so that each can be restarted
restart_policy.py  restart or escalate, by the rules of a stage
waiting.py         workflows that wait for a loop, and how they are notified
agreed_answer.py   the answer that a waiting workflow receives
reconciling.py     finds missed events and unfinished work
"""
