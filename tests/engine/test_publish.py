"""Publishing to the embedded engine, with the same code, change sets, versions and events as on AWS."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from lambdas.loops.ledger import Ledger
from sandbox.engine import Sandbox
from sandbox.faults import DropAnswer, Error, Interrupt, Throttle
from tests.engine.publisher import (
    CALL,
    Executions,
    Publisher,
    answering,
    broken,
    comment,
    edited,
    held,
)
from tests.publish_failures import saw
from workflow.errors import DeploymentError, PublishError
from workflow.publish.history import history, rollback_target
from workflow.publish.package import Package
from workflow.publish.rollback import roll_back
from workflow.publish.stacks import Stacks
from workflow.publish.status import status
from workflow.publish.swapping import swap
from workflow.stack import LIVE_VERSION


def test_publish_survives_lost_answers_and_throttling(
    publisher: Publisher, sandbox: Sandbox, without_waits: None
) -> None:
    calls = [
        ("cloudformation", "CreateChangeSet"),
        ("cloudformation", "ExecuteChangeSet"),
        ("cloudformation", "DescribeStackEvents"),
        ("s3", "PutObject"),
    ]
    for fault, text in ((DropAnswer(), "first"), (Throttle(), "second")):
        with ExitStack() as faults:
            injected = [
                faults.enter_context(
                    sandbox.faults.inject(fault, service=service, operation=operation, times=1)
                )
                for service, operation in calls
            ]
            published = publisher.publish(publisher.package(comment(text)))
        assert published is not None
        assert published.changed
        assert [one.count for one in injected] == [1] * len(calls)
        assert publisher.plan(publisher.package(comment(text))).is_empty
    assert [record.number for record in history(publisher.account, publisher.stage.name)] == [1, 2]


def change_sets(publisher: Publisher) -> list[Any]:
    """Change sets that can still be executed."""
    client = publisher.account.session.client("cloudformation")
    summaries = client.list_change_sets(StackName=publisher.stage.stack_name)["Summaries"]
    return [one for one in summaries if one["ExecutionStatus"] == "AVAILABLE"]


def test_second_publish_of_the_same_package_changes_nothing(
    publisher: Publisher, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = sandbox.flow_definitions.create(publisher.stage.name, "reviewed")
    sandbox.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName="in-progress", FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
    )
    first = publisher.publish()
    assert first is not None
    # What is in progress before the first publish is open in the ledger from then on.
    assert publisher.invoked == [first.outputs["Reconcile"]]
    assert "FunctionError" not in sandbox.client("lambda").invoke(FunctionName=first.outputs["Reconcile"])
    row = Ledger(sandbox.client("dynamodb"), first.outputs["LedgerTable"]).find("in-progress")
    assert row is not None
    assert row.status == "InProgress"
    assert first.changed
    assert first.outputs["StateMachine"].endswith(publisher.stage.stack_name)
    assert first.version == f"{first.outputs['StateMachine']}:1"

    again = publisher.publish()

    assert again is not None
    assert not again.changed
    assert again.version == first.version
    assert len(publisher.plans) == len(publisher.invoked) == 1
    monkeypatch.setattr("workflow.publish.proposing.warnings_in_background", lambda *_: lambda: ["found"])
    planned = publisher.plan()
    assert planned.is_empty
    assert "found" in planned.warnings  # What is wrong with a flow definition is no matter of what changes.
    assert [record.number for record in history(publisher.account, publisher.stage.name)] == [1]


def test_artifact_bucket_is_private_encrypted_and_versioned(publisher: Publisher) -> None:
    publisher.publish()
    s3, bucket = publisher.account.session.client("s3"), publisher.account.artifact_bucket

    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def described(text: str) -> Callable[[dict[str, Any]], None]:
    def edit(resources: dict[str, Any]) -> None:
        resources["StartLoop"]["Properties"]["Description"] = text

    return edit


def test_characters_lost_by_cloudformation_are_not_a_change(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = Stacks.template

    def lossy(stacks: Stacks, stack: str) -> dict[str, Any]:
        """Returns a template like AWS; the engine returns it unchanged."""
        return json.loads(json.dumps(template(stacks, stack), ensure_ascii=False).encode("ascii", "replace"))

    monkeypatch.setattr(Stacks, "template", lossy)
    publisher.publish(publisher.package(described("für Prüfer")))

    assert publisher.plan(publisher.package(described("für Prüfer"))).is_empty
    assert [one.name for one in publisher.plan(publisher.package(described("für alle"))).functions] == [
        "StartLoop"
    ]
    (resource,) = publisher.plan(publisher.package(described("fär Präfer"))).resources
    assert (resource.id, resource.properties) == ("StartLoop", ("Description",))


def test_plan_changes_nothing(publisher: Publisher) -> None:
    assert publisher.plan().creates
    assert publisher.stack_status is None

    publisher.publish()
    plan = publisher.plan(publisher.package(comment("Other")))

    assert [state.name for state in plan.states] == ["Already handled"]
    assert not change_sets(publisher)
    assert publisher.plan().is_empty


def asking(resources: dict[str, Any]) -> None:
    """An edit that replaces a state by one that calls Bedrock."""
    properties = resources["StateMachine"]["Properties"]
    definition = json.loads(properties["DefinitionString"])
    resource = "arn:${AWS::Partition}:states:::bedrock:invokeModel"
    definition["States"]["Already handled"] = {"Type": "Task", "Resource": resource, "End": True}
    properties["DefinitionString"] = json.dumps(definition)


def test_plan_warns_of_states_that_the_engine_does_not_run(publisher: Publisher, sandbox: Sandbox) -> None:
    def warnings(package: Package) -> list[str]:
        return [
            text
            for text in publisher.plan(package).warnings
            if not re.search("flow definition|escalation_emails", text)
        ]

    assert warnings(publisher.package()) == []
    package = replace(publisher.package(asking), places={"Already handled": "post_review.py:12"})
    assert warnings(package) == [
        "post_review.py:12: state 'Already handled': the local engine does not run bedrock:invokeModel: "
        "give it a canned result in canned_results.json (docs/reference/engine.md)"
    ]
    answer = {"bedrock:invokeModel": {"result": {"Body": {}}}}
    states = {"Alredy handled": {"result": 1}}
    with sandbox.canned_results.given({"services": answer, "states": states}):
        (warning,) = warnings(package)
    assert "'Alredy handled', which does not exist; did you mean 'Already handled'?" in warning


def test_declined_publish_changes_nothing(publisher: Publisher) -> None:
    assert publisher.publish(agree=False) is None
    assert publisher.stack_status is None

    publisher.publish()
    assert publisher.publish(publisher.package(comment("Other")), agree=False) is None

    assert not change_sets(publisher)
    assert publisher.plan().is_empty


def test_only_the_changed_function_is_published(publisher: Publisher) -> None:
    publisher.publish()
    file = publisher.root / "lambdas/decide_restart.py"
    file.write_text(file.read_text() + "\n# More.\n")

    published = publisher.publish()

    assert [(one.name, one.code) for one in publisher.plans[-1].functions] == [("DecideRestart", True)]
    assert [one.id for one in publisher.plans[-1].resources] == ["DecideRestart"]
    assert published is not None
    assert published.version is not None
    assert published.version.endswith(":2"), (
        "a new version of the function makes a new version of the state machine"
    )


def allow_everything(resources: dict[str, Any]) -> None:
    (policy,) = resources["DecideRestartRole"]["Properties"]["Policies"]
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    policy["PolicyDocument"]["Statement"].append(statement)


def test_changed_setting_is_in_the_plan_and_the_stack(publisher: Publisher) -> None:
    publisher.publish()
    changed = publisher.package(allow_everything, output_buckets=("reviewed", "more"))
    publisher.publish(changed)

    plan = publisher.plans[-1]
    assert [risk.name for risk in plan.risks] == ["DecideRestart: iam:*"]
    assert "DecideRestartRole" in [one.id for one in plan.resources]
    assert publisher.plan(changed).is_empty, "what is accepted once is not new any more"
    assert "OutputBuckets" in [setting.name for setting in plan.settings]
    assert {one.resource for one in plan.permissions if one.widened} >= {"arn:aws:s3:::more/*"}
    stack = publisher.stack
    assert stack.parameters["OutputBuckets"] == "arn:aws:s3:::reviewed,arn:aws:s3:::more"


def test_change_of_outputs_alone_is_published(publisher: Publisher) -> None:
    first = publisher.publish()
    assert first is not None
    outputs = {
        **json.loads(publisher.package().template)["Outputs"],
        "More": {"Value": {"Ref": "LedgerTable"}},
    }
    package = edited(publisher, Outputs=outputs)

    assert publisher.plan(package).notes == ["The outputs of the stack change."]
    published = publisher.publish(package)

    assert published is not None
    assert published.outputs["More"] == first.outputs["LedgerTable"]
    assert publisher.plan(package).is_empty


def test_changed_template_description_is_not_a_change(publisher: Publisher) -> None:
    publisher.publish()
    package = edited(publisher, Description="Another description")
    assert publisher.plan(package).is_empty
    published = publisher.publish(package)
    assert published is not None
    assert not published.changed


def test_executions_keep_the_version_that_they_started_on(
    publisher: Publisher, executions: Executions
) -> None:
    states, queue = executions.states, executions.queue
    publisher.publish(publisher.package(held(queue, "One")))
    before = executions.start()
    publisher.publish(publisher.package(held(queue, "Two")))
    after = executions.start()

    passed = []
    for execution, token in (before, after):
        executions.finish(execution, token)
        history = states.get_execution_history(executionArn=execution)["events"]
        passed.append(
            [one["stateEnteredEventDetails"]["name"] for one in history if "stateEnteredEventDetails" in one]
        )
    assert passed == [["Hold", "One"], ["Hold", "Two"]]
    found = status(publisher.account, publisher.stage, drift=False)
    assert found is not None
    assert found.live == {2: 100}


def test_executions_keep_their_code_and_a_rollback_restores_it(
    publisher: Publisher, executions: Executions
) -> None:
    definition = held(executions.queue, "Call", CALL)
    for answer in ("one", "two"):
        answering(publisher, answer)
        publisher.publish(publisher.package(definition))
        if answer == "one":
            before = executions.start()
    after = executions.start()
    assert [executions.finish(*before), executions.finish(*after)] == ["one", "two"]

    assert executions.finish(*executions.started_during_a_rollback(publisher)) == "one"
    plan = publisher.plans[-1]
    assert [(one.name, one.code) for one in plan.functions] == [("DecideRestart", True)]
    assert not plan.destructive_changes
    assert executions.finish(*executions.start()) == "one"

    answering(publisher, "two")
    publisher.publish(publisher.package(definition))
    assert executions.finish(*executions.start()) == "two"
    assert publisher.plan(publisher.package(definition)).is_empty


def test_rollback_routes_new_executions_away_from_swapped_code(
    publisher: Publisher, executions: Executions
) -> None:
    account, stage = publisher.account, publisher.stage
    publisher.publish_calling(executions.queue, "one", "two")
    stack = publisher.stack
    answering(publisher, "swapped")
    swap(account, stage, stack, publisher.package(held(executions.queue, "Swapped", CALL)))

    assert executions.finish(*executions.started_during_a_rollback(publisher)) == "one"
    assert executions.finish(*executions.start()) == "one"


def test_rollback_does_not_route_to_deleted_function_versions(
    publisher: Publisher, executions: Executions
) -> None:
    account, stage = publisher.account, publisher.stage
    publisher.publish_calling(executions.queue, "one", "two")
    name = f"{stage.stack_name}-DecideRestart"
    account.functions.delete_version(account.functions.versions(name)[-1])

    assert executions.finish(*executions.started_during_a_rollback(publisher)) == "two", (
        "the restored version is routed to only after the stack is updated"
    )
    assert executions.finish(*executions.start()) == "one"


def test_function_versions_survive_a_publish_without_versions(
    publisher: Publisher, executions: Executions
) -> None:
    """As in a rollback to a publish from before functions had versions: running executions need them."""
    definition = held(executions.queue, "Call", CALL)
    answering(publisher, "one")
    package = publisher.package(definition)
    publisher.publish(package)
    running = executions.start()

    template = json.loads(package.template)
    versions = [name for name in template["Resources"] if name.endswith("Version") and name != LIVE_VERSION]
    for name in versions:
        del template["Resources"][name]
    text = json.dumps(template)
    for name in list(template["Parameters"]):
        if name.endswith("Revision"):
            function = name.removesuffix("Revision")
            text = text.replace(
                json.dumps({"Ref": f"{function}Version"}), json.dumps({"Fn::GetAtt": [function, "Arn"]})
            )
    publisher.publish(replace(package, template=text))
    assert executions.finish(*running) == "one"

    publisher.publish(publisher.package(definition))
    assert executions.finish(*executions.start()) == "one"


def test_publish_is_recorded_if_old_versions_cannot_be_deleted(
    publisher: Publisher, sandbox: Sandbox
) -> None:
    publisher.publish()
    answering(publisher, "two")
    denied = Error("AccessDeniedException", status=403)
    with sandbox.faults.inject(denied, service="lambda", operation="ListVersionsByFunction") as injected:
        publisher.publish()
    assert injected.count
    assert [one.number for one in history(publisher.account, publisher.stage.name)] == [1, 2]


def test_code_of_a_failed_update_is_published_by_the_next(
    publisher: Publisher, executions: Executions
) -> None:
    definition = publisher.publish_calling(executions.queue, "one")
    answering(publisher, "two")

    def both(resources: dict[str, Any]) -> None:
        definition(resources)
        broken(resources)
        resources["Broken"]["DependsOn"] = "DecideRestartVersion"

    with pytest.raises(DeploymentError):
        publisher.publish(publisher.package(both))
    assert executions.finish(*executions.start()) == "one"

    publisher.publish(publisher.package(definition))
    assert executions.finish(*executions.start()) == "two"


def test_function_version_keeps_its_settings(publisher: Publisher) -> None:
    publisher.publish()
    account = publisher.account
    name = f"{publisher.stage.stack_name}-CollectReview"
    functions = account.session.client("lambda")
    publisher.publish(publisher.package(output_buckets=("reviewed", "more")))

    newest, first = account.functions.versions(name)
    settings = [
        functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]["REVIEW_SETTINGS"]
        for arn in (first, newest)
    ]
    assert ["more" in one for one in settings] == [False, True]


def test_old_function_versions_are_deleted_when_their_executions_have_ended(
    publisher: Publisher, executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.publish.pruning.KEPT_VERSIONS", 1)
    name = f"{publisher.stage.stack_name}-DecideRestart"

    def versions() -> list[str]:
        return [arn.rpartition(":")[2] for arn in publisher.account.functions.versions(name)]

    publisher.publish_calling(executions.queue, "one")
    before = executions.start()
    publisher.publish_calling(executions.queue, "two")
    assert versions() == ["2", "1"]
    assert executions.finish(*before) == "one"
    publisher.publish_calling(executions.queue, "three")
    assert versions() == ["3"]
    assert executions.finish(*executions.start()) == "three"
    assert len(publisher.account.functions.versions(name.replace("DecideRestart", "CollectReview"))) == 1


def test_failed_creation_shows_first_cause_and_can_be_repeated(publisher: Publisher) -> None:
    with pytest.raises(DeploymentError) as error:
        publisher.publish(publisher.package(broken))

    assert error.value.resource == "Broken"
    assert "MessageRetentionPeriod" in error.value.cause
    assert publisher.stack_status == "ROLLBACK_COMPLETE"
    plan = publisher.plan()
    assert plan.creates
    saw("The first publish of a stage fails", error.value, status(publisher.account, publisher.stage), plan)

    published = publisher.publish()

    assert published is not None
    assert publisher.stack_status == "CREATE_COMPLETE"


def test_rejected_template_is_an_error(publisher: Publisher) -> None:
    def invalid_resource(resources: dict[str, Any]) -> None:
        resources["Nonsense"] = {"Type": "AWS::No::Such"}

    with pytest.raises(PublishError, match=r"AWS rejected the change set: .*AWS::No::Such"):
        publisher.publish(publisher.package(invalid_resource))
    assert publisher.stack_status is None

    def invalid_property(resources: dict[str, Any]) -> None:
        resources["StartLoop"]["Properties"]["MemorySize"] = 5

    # Before anything is created.
    with pytest.raises(
        PublishError,
        match=r"rejected the change set: StartLoop \(AWS::Lambda::Function\): MemorySize: .* 128 and",
    ):
        publisher.publish(publisher.package(invalid_property))
    assert publisher.stack_status is None


def test_publish_works_after_a_foreign_change_set_and_forged_objects(publisher: Publisher) -> None:
    """Whatever others wrote under the keys of the artifact bucket, functions have the code that was built here."""
    package = publisher.package()
    account, artifacts = publisher.account, publisher.account.artifacts
    artifacts.ensure()
    versions = artifacts.upload(package.objects)
    for key in package.objects:
        artifacts.write(key, b"{}")
    change_set = account.stacks.create_change_set(
        publisher.stage.stack_name,
        template_url=artifacts.url(package.template_key, versions[package.template_key]),
        parameters=package.uploaded(versions).parameters,
        create=True,
    )
    assert account.stacks.template_of(change_set) == package.content[0]
    assert publisher.stack_status == "REVIEW_IN_PROGRESS"

    assert publisher.plan().creates
    assert publisher.publish() is not None

    assert publisher.stack_status == "CREATE_COMPLETE"
    functions = account.session.client("lambda")
    for name, bundle in package.bundles.items():
        found = functions.get_function_configuration(FunctionName=f"{publisher.stage.stack_name}-{name}")
        assert found["CodeSha256"] == b64encode(sha256(bundle.path.read_bytes()).digest()).decode()


def digests(parameters: Mapping[str, str]) -> dict[str, str]:
    """Parameters, with revisions reduced to the hash of the function."""
    return {
        name: value.partition("-")[0] if name.endswith("Revision") else value
        for name, value in parameters.items()
    }


def test_rollback_restores_definition_settings_and_code(publisher: Publisher) -> None:
    publisher.publish()
    file = publisher.root / "lambdas/decide_restart.py"
    file.write_text(file.read_text() + "\n# More.\n")
    publisher.publish(publisher.package(comment("Two"), log_retention_days=7))
    account, stage = publisher.account, publisher.stage

    back_to = rollback_target(history(account, stage.name))
    published = roll_back(
        account, stage, back_to, confirm=lambda plan: bool(publisher.plans.append(plan)) or True
    )

    assert published is not None
    plan = publisher.plans[-1]
    assert [state.name for state in plan.states] == ["Already handled"]
    assert [one.name for one in plan.functions if one.code] == ["DecideRestart"]
    assert [(one.name, one.after) for one in plan.settings] == [("LogRetentionDays", "30")]
    stack = publisher.stack
    assert digests(stack.parameters) == digests(back_to.parameters)
    assert [(one.number, one.restores) for one in history(account, stage.name)] == [
        (1, None),
        (2, None),
        (3, 1),
    ]
    with pytest.raises(PublishError, match="cannot roll back: publish 1 is the first"):
        rollback_target(history(account, stage.name))


def test_hot_swap_changes_code_and_definition_until_a_publish(
    publisher: Publisher,
) -> None:
    first = publisher.publish()
    assert first is not None
    account, stage = publisher.account, publisher.stage
    functions, states = account.session.client("lambda"), account.session.client("stepfunctions")
    file = publisher.root / "lambdas/decide_restart.py"
    original = file.read_text()
    file.write_text("def handler(event, context):\n    return 'swapped'\n")
    stack = publisher.stack

    done = swap(account, stage, stack, publisher.package(comment("Swapped")))

    assert done == ["code of DecideRestart", "definition"]
    name = f"{stage.stack_name}-DecideRestart"
    answer = functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    assert json.loads(answer) == "swapped"
    live = states.describe_state_machine(stateMachineArn=f"{first.outputs['StateMachine']}:2")["definition"]
    assert json.loads(live)["States"]["Already handled"]["Comment"] == "Swapped"
    assert "${" not in live
    assert swap(account, stage, stack, publisher.package(comment("Swapped"))) == []
    found = status(account, stage, drift=False)
    assert found is not None
    assert found.swapped == ["code of DecideRestart", "definition"]
    assert found.live == {2: 100}

    file.write_text(original)
    plan = publisher.plan()
    assert plan.swapped == ["code of DecideRestart", "definition"]
    assert not plan.is_empty
    publisher.publish()

    assert publisher.plan().is_empty
    assert json.loads(functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()) != "swapped"
    machine = states.describe_state_machine(stateMachineArn=first.outputs["StateMachine"])["definition"]
    assert "Swapped" not in machine


def test_executions_run_swapped_code_before_and_after_a_publish(
    publisher: Publisher, executions: Executions
) -> None:
    account, stage = publisher.account, publisher.stage
    definition = publisher.publish_calling(executions.queue, "published")
    stack = publisher.stack

    answering(publisher, "swapped")
    assert swap(account, stage, stack, publisher.package(definition)) == ["code of DecideRestart"]
    assert executions.finish(*executions.start()) == "swapped"
    assert publisher.plan(publisher.package(definition)).swapped == ["code of DecideRestart"]
    publisher.publish(publisher.package(definition))
    assert executions.finish(*executions.start()) == "swapped"
    assert publisher.plan(publisher.package(definition)).is_empty

    stack = publisher.stack
    answering(publisher, "swapped back")
    swap(account, stage, stack, publisher.package(definition))
    answering(publisher, "swapped")
    assert swap(account, stage, stack, publisher.package(definition)) == ["code of DecideRestart"]
    assert executions.finish(*executions.start()) == "swapped"
    assert publisher.plan(publisher.package(definition)).is_empty


def test_interrupted_swap_is_repeated_or_undone(
    publisher: Publisher, executions: Executions, sandbox: Sandbox
) -> None:
    account, stage = publisher.account, publisher.stage
    definition = held(executions.queue, "Call", CALL)
    answering(publisher, "published")
    published = publisher.package(definition)
    publisher.publish(published)
    stack = publisher.stack
    answering(publisher, "swapped")
    package = publisher.package(definition)

    def cut_short() -> None:
        update = sandbox.faults.inject(
            Interrupt(), service="stepfunctions", operation="UpdateStateMachine", caller="clients"
        )
        with update, pytest.raises(KeyboardInterrupt):
            swap(account, stage, stack, package)

    cut_short()
    assert "an interrupted swap" in publisher.plan(published).swapped
    assert swap(account, stage, stack, package) == ["code of DecideRestart", "definition"]
    assert executions.finish(*executions.start()) == "swapped"

    publisher.publish(published)
    cut_short()
    assert publisher.plan(published).swapped == ["an interrupted swap"]
    publisher.publish(published)
    assert publisher.plan(published).is_empty
    name = f"{stage.stack_name}-DecideRestart"
    answer = account.session.client("lambda").invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    assert json.loads(answer) == executions.finish(*executions.start()) == "published"


def test_swap_recorded_without_values_is_undone(publisher: Publisher, executions: Executions) -> None:
    """As code swaps were recorded when functions had no versions."""
    account, stage = publisher.account, publisher.stage
    definition = held(executions.queue, "Call", CALL)
    answering(publisher, "published")
    package = publisher.package(definition)
    publisher.publish(package)
    noted = {"functions": {"DecideRestart": "functions/other.zip"}, "definition": None, "values": {}}
    account.artifacts.write(f"stages/{stage.name}/swaps.json", json.dumps(noted).encode())

    assert publisher.plan(package).swapped == ["code of DecideRestart"]
    publisher.publish(package)
    assert publisher.plan(package).is_empty
    assert executions.finish(*executions.start()) == "published"


def test_publish_undoes_a_swap_that_the_sources_no_longer_have(
    publisher: Publisher, executions: Executions
) -> None:
    """CloudFormation updates only what differs from the last publish, so it would leave swapped code in place."""
    account, stage = publisher.account, publisher.stage
    definition = publisher.publish_calling(executions.queue, "published")
    stack = publisher.stack
    answering(publisher, "swapped")
    swap(account, stage, stack, publisher.package(held(executions.queue, "Swapped", CALL)))
    assert executions.finish(*executions.start()) == "swapped"

    answering(publisher, "published")
    package = publisher.package(definition, log_retention_days=7)
    publisher.publish(package)

    assert executions.finish(*executions.start()) == "published"
    name = f"{stage.stack_name}-DecideRestart"
    answer = account.session.client("lambda").invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    assert json.loads(answer) == "published"
    assert publisher.plan(package).is_empty


def test_swap_is_refused_for_settings_and_protected_stages(publisher: Publisher) -> None:
    publisher.publish()
    account, stage = publisher.account, publisher.stage
    stack = publisher.stack
    assert swap(account, stage, stack, publisher.package(log_retention_days=7)) is None
    with pytest.raises(PublishError, match="is protected and allows no hot swap"):
        swap(account, stage.model_copy(update={"protected": True}), stack, publisher.package())


def test_status_shows_drift(publisher: Publisher) -> None:
    published = publisher.publish()
    assert published is not None
    found = status(publisher.account, publisher.stage)
    assert found is not None
    assert found.drifts == []

    client = publisher.account.session.client
    client("cloudwatch").delete_dashboards(DashboardNames=[publisher.stage.stack_name])
    [counting] = client("logs").describe_metric_filters(logGroupName=published.outputs["StateMachineLogs"])[
        "metricFilters"
    ]
    client("logs").delete_metric_filter(
        logGroupName=counting["logGroupName"], filterName=counting["filterName"]
    )
    client("sqs").set_queue_attributes(
        QueueUrl=published.outputs["UndeliveredEvents"], Attributes={"MessageRetentionPeriod": "60"}
    )
    found = status(publisher.account, publisher.stage)

    assert found is not None
    assert found.drifts is not None
    assert {drift["id"]: drift["status"] for drift in found.drifts} == {
        "Dashboard": "DELETED",
        "LoopsByStatus": "DELETED",
        "UndeliveredEvents": "MODIFIED",
    }
    assert [one["actual"] for drift in found.drifts for one in drift["differences"]] == ["60"]
