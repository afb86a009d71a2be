"""Versions of state machines and of functions."""

from __future__ import annotations

import json

from sandbox.ministack_patches import function_versions


def test_list_of_executions_says_which_version_each_runs(machines):
    machine = machines.create({"Pass": {"Type": "Pass", "End": True}})
    version = machines.call("_publish_state_machine_version", stateMachineArn=machine)[
        "stateMachineVersionArn"
    ]
    started = {machines.start(version): version, machines.start(machine): None}
    listed = machines.call("_list_executions", stateMachineArn=machine)["executions"]
    assert {one["executionArn"]: one.get("stateMachineVersionArn") for one in listed} == started


def test_versions_of_a_function_created_again_have_new_numbers(ministack):
    from ministack.services import lambda_svc

    function_versions.correct()

    def published():
        lambda_svc._functions["function"] = {
            "config": {"FunctionName": "function", "RevisionId": "1"},
            "versions": {},
            "next_version": 1,
        }
        return json.loads(lambda_svc._publish_version("function", {})[2])["Version"]

    assert [published(), published()] == ["1", "2"]
