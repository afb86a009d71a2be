"""What a Distributed Map needs: executions of its own state machine, and what it reads and writes in S3."""

from __future__ import annotations

from collections.abc import Iterator

from workflow.asl.integration import arguments_of
from workflow.asl.walk import State, is_distributed
from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of, bucket_arn, joined
from workflow.stack.permissions.s3 import s3

__all__ = ["distributed_map"]

_MACHINE = "afterloop-${Stage}"


def distributed_map(state: State) -> Iterator[Grant]:
    """Yields what a Map needs in addition to its states; nothing if it runs inline and reads no file."""
    if is_distributed(state):
        yield ["states:StartExecution"], arn_of("states", f"stateMachine:{_MACHINE}"), {}
        executions = arn_of("states", f"execution:{_MACHINE}/*")
        yield ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"], executions, {}
    if reader := state.get("ItemReader"):
        call = Call("s3", str(reader.get("Resource")).rpartition(":")[2], False, arguments_of(reader, {}))
        if reader.get("ReaderConfig", {}).get("InputType") == "MANIFEST":
            files = Unknown("a manifest names further files", "these files")
            yield ["s3:GetObject"], files, {}
        yield from s3(call)
    if writer := state.get("ResultWriter"):
        call = Call("s3", "putObject", False, arguments_of(writer, {}))
        bucket, prefix = call.text("Bucket", "the bucket of results"), call.pattern("Prefix", "the results")
        if isinstance(prefix, str):
            prefix = prefix.rstrip("/*")
        actions = ["AbortMultipartUpload", "GetObject", "ListMultipartUploadParts", "PutObject"]
        yield [f"s3:{action}" for action in actions], joined(bucket_arn(bucket), "/", prefix, "/*"), {}
