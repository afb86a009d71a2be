"""The domain: events, outputs, comparison, consolidation, records. Nothing in this package calls AWS.

event.py          a status change, parsed: CompletedLoop | FailedLoop | StoppedLoop
output.py         output.json, parsed: the prediction and the workers' answers
prediction.py     finds the prediction of a custom task, and reads values with a confidence
comparison/       prediction against answers, field by field; one module per task type and per crowd element
consolidation.py  combines the answers of several workers: votes, agreement, ties
subject.py        what a review is about: model version, document, segments
code.py           which code makes records
review.py         runs all of the above: build_record, and summarise for the workflow
summary.py        what the workflow receives: numbers and locations
record.py         the review record, which is stored and queried
settings.py       the review settings of a stage: output buckets, paths of predictions, worker identity
location.py       s3:// locations
json_reader.py    reads large JSON documents in pieces
errors.py         the errors of a review
"""
