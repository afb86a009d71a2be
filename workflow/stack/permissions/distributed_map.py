"""What a Distributed Map needs: executions of its own machine, and what it reads and writes in S3."""

from __future__ import annotations

from collections.abc import Iterator

from workflow.asl.integration import arguments_of
from workflow.asl.walk import State, is_distributed
from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of
from workflow.stack.permissions.sdk_integrations import s3

__all__ = ["distributed_map"]


def distributed_map(state: State, machine_name: str) -> Iterator[Grant]:
    """What a Map needs beside what its states do; nothing if it runs inline and reads no file."""
    if is_distributed(state):
        yield ["states:StartExecution"], arn_of("states", f"stateMachine:{machine_name}"), {}
        executions = arn_of("states", f"execution:{machine_name}/*")
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
        unknown = next((part for part in (bucket, prefix) if isinstance(part, Unknown)), None)
        results = f"{arn_of('s3', str(bucket), region=False, account=False)}/{str(prefix).rstrip('/*')}/*"
        actions = ["AbortMultipartUpload", "GetObject", "ListMultipartUploadParts", "PutObject"]
        yield [f"s3:{action}" for action in actions], unknown or results, {}
