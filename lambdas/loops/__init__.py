"""Human loops at run time: how they are started, kept in the ledger, waited for, restarted and looked after.

ledger.py          the DynamoDB table, one item a human loop
names.py           names that A2I accepts, and names that follow from keys and restarts
starting.py        a loop started so that it can be restarted
restart_policy.py  restart or escalate, by a stage's rules
waiting.py         workflows that wait for a loop, and their answers
agreed_answer.py   what they are answered with
reconciling.py     what was missed, and what was left unfinished
"""
