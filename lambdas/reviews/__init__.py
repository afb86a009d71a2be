"""The domain: events, outputs, comparison, consolidation, records. No AWS in here: no engine tests it.

event.py          a status change, parsed: CompletedLoop | FailedLoop | StoppedLoop
output.py         output.json, parsed: predictions and the people's answers
prediction.py     where a custom task's prediction lies, and how a value and its confidence are written
comparison/       prediction against people, field by field; one module per task type, one per crowd element
consolidation.py  several workers' answers made one: votes, agreement, ties
review.py         all of the above in one call: build_record, and summarise for the workflow
summary.py        what the workflow goes on with: numbers and locations
record.py         the review record: what is stored, queried and reported on
settings.py       what a stage sets: output buckets, where predictions lie, worker identity
location.py       s3:// locations
errors.py         all that can go wrong
"""
