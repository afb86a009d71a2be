"""Publishing a stage, step by step, with every response of AWS given."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.unit.workflow.publish.conftest import COMMIT, MACHINE, NOW, STACK_ID, TOKEN, Services, Steps
from tests.unit.workflow.publish.small_stack import DEFINITION, described, package, template
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.history import history, record
from workflow.publish.missing import CheckedStack, Missing
from workflow.publish.package import Package
from workflow.publish.plan import Plan
from workflow.publish.publishing import plan_for, publish
from workflow.stack.bundles import Bundle
from workflow.stack.stages import Stage


def changed(name: str = "Results", action: str = "Modify", **more: Any) -> dict[str, Any]:
    kind = {"Results": "AWS::S3::Bucket", "Ledger": "AWS::DynamoDB::Table"}[name]
    return {"LogicalResourceId": name, "ResourceType": kind, "Action": action, "Replacement": "False", **more}


DIRECTLY = {
    "Target": {"Attribute": "Properties", "Name": "Description"},
    "Evaluation": "Static",
    "ChangeSource": "DirectModification",
}


def referring(source: str, entity: str) -> dict[str, Any]:
    return {**DIRECTLY, "ChangeSource": source, "CausingEntity": entity}


def exists(services: Services, status: str = "UPDATE_COMPLETE", **changes: Any) -> None:
    """The stack exists, as published from the package with these changes."""
    before = package(**changes)
    services.finds_stack(status, **described(before))
    services.returns_template(json.loads(before.template))


NOTHING = "The submitted information didn't contain changes."


def unchanged(services: Services, **changes: Any) -> None:
    """The stack exists, and CloudFormation says, too, that nothing changes."""
    exists(services, **changes)
    services.creates_change_set(failure=NOTHING)


def yes(plan: Plan) -> bool:
    return True


def no(plan: Plan) -> bool:
    return False


def fails(plan: Plan) -> bool:
    pytest.fail("there is nothing to confirm")


# Plans


def test_plan_of_a_new_stage_creates_nothing(account: Account, services: Services, stage: Stage) -> None:
    services.finds_stack(None)
    plan = plan_for(account, stage, package())
    assert plan.creates
    assert account.artifacts.keys("") == []


def test_plan_deletes_its_change_set(account: Account, services: Services, stage: Stage) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.deletes_change_set()
    plan = plan_for(account, stage, package(days="7"))
    assert [(one.name, one.before, one.after) for one in plan.settings] == [("Days", "30", "7")]
    assert [one.id for one in plan.resources] == ["Results"]


def test_plan_of_the_published_package_is_empty(account: Account, services: Services, stage: Stage) -> None:
    unchanged(services)
    services.describes_alias({1: 100})
    services.describes_machine("{}", f"{MACHINE}:1")
    services.describes_machine("{}")
    assert plan_for(account, stage, package()).is_empty


@pytest.mark.parametrize(
    ("weights", "routed"),
    [({1: 90, 2: 10}, "version 1 (90 %) and version 2 (10 %)"), (None, "no version")],
    ids=["interrupted shift", "no alias"],
)
def test_plan_notes_where_new_executions_go(
    account: Account, services: Services, stage: Stage, weights: Any, routed: str
) -> None:
    unchanged(services)
    services.describes_alias(weights)
    plan = plan_for(account, stage, package())
    assert plan.notes == [f"New executions go to {routed}; a publish routes all of them to the current one."]
    assert not plan.is_empty


def test_plan_notes_new_function_versions(account: Account, services: Services, stage: Stage) -> None:
    exists(services, revision="bbbb")
    version = {"LogicalResourceId": "CollectVersion", "ResourceType": "AWS::Lambda::Version"}
    details = [referring("ParameterReference", "CollectRevision"), {**DIRECTLY, "Evaluation": "Dynamic"}]
    services.creates_change_set({**version, "Action": "Modify", "Replacement": "True", "Details": details})
    services.deletes_change_set()
    plan = plan_for(account, stage, package())
    assert (plan.notes, plan.resources) == (["Functions get new versions: Collect."], [])


def test_plan_shows_what_only_cloudformation_lists(
    account: Account, services: Services, stage: Stage
) -> None:
    """The template and the parameters are the same, as far as CloudFormation returns them."""
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.returns_template(template(Description="f?r"))
    services.creates_change_set(changed("Results", Details=[DIRECTLY]))
    services.deletes_change_set()
    (resource,) = plan_for(account, stage, package(Description="für")).resources
    assert (resource.id, resource.action, resource.properties) == ("Results", "change", ("Description",))


def test_plan_with_lost_characters_is_empty_if_cloudformation_says_so(
    account: Account, services: Services, stage: Stage
) -> None:
    sent = package(Description="für")
    services.finds_stack("UPDATE_COMPLETE", **described(sent))
    services.returns_template(template(Description="f?r"))
    services.creates_change_set(failure=NOTHING)
    services.describes_alias({1: 100})
    services.describes_machine("{}", f"{MACHINE}:1")
    services.describes_machine("{}")
    assert plan_for(account, stage, sent).is_empty


def test_plan_warns_of_a_service_missing_in_the_region(
    account: Account, services: Services, stage: Stage
) -> None:
    services.finds_stack(None)
    with mock.patch("workflow.publish.availability.not_offered", return_value=["x may not be available"]):
        assert plan_for(account, stage, package()).warnings == ["x may not be available"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("UPDATE_IN_PROGRESS", "another operation is in progress; try again when it has ended"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "another operation is in progress"),
        (
            "DELETE_FAILED",
            r"is in DELETE_FAILED: the deletion failed: Queue \(AWS::T\): Why; fix the cause, then finish the deletion "
            "with `python deploy.py destroy --stage dev`",
        ),
        ("ROLLBACK_FAILED", "delete what is there with `python deploy.py destroy --stage dev`"),
        ("IMPORT_ROLLBACK_FAILED", "fix the cause in the CloudFormation console"),
    ],
)
def test_stack_in_an_unsuitable_state_is_refused(
    account: Account, services: Services, stage: Stage, found: str, message: str
) -> None:
    services.finds_stack(found)
    if found.endswith("FAILED"):
        services.emits(("Queue", "DELETE_FAILED", "Why."), found)
    with pytest.raises(PublishError, match=message):
        plan_for(account, stage, package())


def test_plan_of_a_rollback_that_failed_says_why_and_that_publish_continues_it(
    account: Account, services: Services, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [Missing("Queue", "AWS::T", "q"), Missing("Other", "AWS::T", "o")]
    monkeypatch.setattr(Account, "checked", lambda account, stack: CheckedStack(missing=gone))
    services.finds_stack("UPDATE_ROLLBACK_FAILED")
    services.emits("UPDATE_IN_PROGRESS", ("Queue", "UPDATE_FAILED", "It is gone."), "UPDATE_ROLLBACK_FAILED")
    plan = plan_for(account, stage, package())
    assert plan.notes == [
        "stack afterloop-dev is in UPDATE_ROLLBACK_FAILED: the last update failed and could not be rolled back: Queue "
        "(AWS::T): It is gone; `python deploy.py publish --stage dev`, which first continues the rollback without what "
        "no longer exists.",
        "First, the rollback of that update continues, without Queue, which no longer exists. Then the changes of this "
        "publish are shown.",
    ]


def test_publish_continues_a_rollback_that_failed_and_then_publishes(
    account: Account, services: Services, stage: Stage
) -> None:
    plans: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        plans.append(plan)
        return len(plans) == 1

    services.finds_stack("UPDATE_ROLLBACK_FAILED")
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED")
    services.cloudformation.add_response(
        "continue_update_rollback",
        {},
        {"StackName": STACK_ID, "ClientRequestToken": TOKEN.hex, "ResourcesToSkip": []},
    )
    services.emits("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    exists(services, "UPDATE_ROLLBACK_COMPLETE")
    services.creates_change_set(changed())
    services.deletes_change_set()
    assert publish(account, stage, package(days="7"), confirm=confirm) is None
    assert [len(plan.resources) for plan in plans] == [0, 1]


# The first publish


def finds_no_stack(services: Services) -> None:
    for _ in ("for the plan", "before it is carried out"):
        services.finds_stack(None)


@pytest.mark.parametrize("refused", [False, True])
def test_first_publish_looks_for_loops_in_progress(
    account: Account, services: Services, stage: Stage, refused: bool
) -> None:
    finds_no_stack(services)
    services.creates_change_set(changed(action="Add"), ChangeSetType="CREATE")
    services.executes_change_set(create=True)
    services.emits("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    stack = described(package())
    outputs = [*stack.get("Outputs", ()), {"OutputKey": "Reconcile", "OutputValue": "arn:reconcile"}]
    services.finds_stack("CREATE_COMPLETE", **{**stack, "Outputs": outputs})
    services.makes_live(1)
    if refused:
        services.functions.add_client_error("invoke", "AccessDeniedException")
    else:
        expected = {"FunctionName": "arn:reconcile", "InvocationType": "Event"}
        services.functions.add_response("invoke", {"StatusCode": 202}, expected)
    assert publish(account, stage, package(), confirm=yes) is not None


def test_first_publish_creates_stack_alias_and_record(
    account: Account, services: Services, stage: Stage, progress: Steps, tmp_path: Path
) -> None:
    finds_no_stack(services)
    services.creates_change_set(changed(action="Add"), ChangeSetType="CREATE")
    services.executes_change_set(create=True)
    services.emits("CREATE_IN_PROGRESS", ("Results", "CREATE_COMPLETE", ""), "CREATE_COMPLETE")
    services.finds_stack("CREATE_COMPLETE", **described(package()))
    services.makes_live(1)

    published = publish(account, stage, package(), confirm=yes, progress=progress)

    assert published is not None
    assert (published.changed, published.version) == (True, f"{MACHINE}:1")
    assert progress.steps == [
        "Comparing with the published stage",
        "Uploading template and functions",
        "Creating the stack",
    ]
    assert len(progress.events) == 3
    assert account.artifacts.read(package().template_key) == package().template.encode()
    assert [one.version for one in history(account, "dev")] == [f"{MACHINE}:1"]


def test_declined_first_publish_changes_nothing(account: Account, services: Services, stage: Stage) -> None:
    services.finds_stack(None)
    assert publish(account, stage, package(), confirm=no) is None
    assert account.artifacts.keys("") == []


def test_leftover_of_a_failed_creation_is_deleted_first(
    account: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    for _ in ("for the plan", "before it is carried out"):
        services.finds_stack("ROLLBACK_COMPLETE")
    services.deletes_stack()
    services.emits("DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    services.creates_change_set(changed(action="Add"), ChangeSetType="CREATE")
    services.executes_change_set(create=True)
    services.emits("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    services.finds_stack("CREATE_COMPLETE", **described(package()))
    services.makes_live(1)
    assert publish(account, stage, package(), confirm=yes, progress=progress) is not None
    assert progress.steps[1] == "Deleting what an earlier, failed publish left behind"


def test_rejected_first_template_leaves_no_stack(account: Account, services: Services, stage: Stage) -> None:
    finds_no_stack(services)
    services.creates_change_set(failure="Nonsense", ChangeSetType="CREATE")
    services.finds_stack("REVIEW_IN_PROGRESS")
    services.deletes_stack()
    with pytest.raises(PublishError, match="CloudFormation rejected the change set: Nonsense"):
        publish(account, stage, package(), confirm=yes)


# Later publishes


def updates(services: Services, *events: Any, days: str = "7") -> None:
    exists(services)
    services.creates_change_set(changed())
    services.executes_change_set()
    services.emits("UPDATE_IN_PROGRESS", *events)
    if events[-1] == "UPDATE_COMPLETE":
        services.finds_stack("UPDATE_COMPLETE", **described(package(days=days)))


def test_publish_updates_stack_alias_and_record(account: Account, services: Services, stage: Stage) -> None:
    updates(services, "UPDATE_COMPLETE")
    services.makes_live(2, before=1)
    published = publish(account, stage, package(days="7"), confirm=yes)
    assert published is not None
    assert published.version == f"{MACHINE}:2"
    (written,) = history(account, "dev")
    assert (written.version, written.parameters["Days"]) == (f"{MACHINE}:2", "7")


@pytest.mark.parametrize("when", ["before it is executed", "when it is executed"])
def test_obsolete_change_set_is_made_and_shown_again(
    account: Account, services: Services, stage: Stage, when: str
) -> None:
    exists(services)
    services.creates_change_set(changed())
    if when == "before it is executed":
        services.looks_at_change_set("OBSOLETE")
        services.deletes_change_set()
    else:
        services.looks_at_change_set("AVAILABLE")
        services.cloudformation.add_client_error("execute_change_set", "InvalidChangeSetStatus")
    exists(services, days="20")  # Somebody changed the stack with another tool.
    services.creates_change_set(changed())
    services.executes_change_set()
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(days="7")))
    services.makes_live(2, before=1)
    plans: list[Plan] = []

    publish(account, stage, package(days="7"), confirm=lambda plan: not plans.append(plan))

    assert [[(one.before, one.after) for one in plan.settings] for plan in plans] == [
        [("30", "7")],
        [("20", "7")],
    ]
    assert [one.outcome for one in history(account, "dev")] == ["published"]


def test_change_set_that_somebody_executed_leaves_nothing_to_ask(
    account: Account, services: Services, stage: Stage
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.cloudformation.add_client_error("describe_change_set", "ChangeSetNotFound")
    services.deletes_change_set()
    unchanged(services, days="7")
    services.describes_alias({2: 100})
    services.describes_machine("{}", f"{MACHINE}:2")
    services.describes_machine("{}")
    services.lists_versions(2)
    services.describes_machine("{}", f"{MACHINE}:2")
    services.describes_machine("{}")
    services.describes_alias({2: 100})
    plans: list[Plan] = []
    published = publish(account, stage, package(days="7"), confirm=lambda plan: not plans.append(plan))
    assert published is not None
    assert (published.changed, len(plans)) == (False, 1)


def test_operation_of_somebody_else_after_the_question_is_one_sentence(
    account: Account, services: Services, stage: Stage
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.looks_at_change_set("OBSOLETE")
    services.cloudformation.add_client_error("delete_change_set", "InvalidChangeSetStatus")
    services.finds_stack("UPDATE_IN_PROGRESS")
    with pytest.raises(PublishError, match="UPDATE_IN_PROGRESS: another operation is in progress; try again"):
        publish(account, stage, package(days="7"), confirm=yes)


def test_declined_publish_deletes_its_change_set(account: Account, services: Services, stage: Stage) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.deletes_change_set()
    assert publish(account, stage, package(days="7"), confirm=no) is None


@pytest.mark.parametrize("case", ["declined", "refused", "rejected", "another publishes"])
def test_publish_that_is_not_carried_out_leaves_no_objects(
    account: Account, services: Services, stage: Stage, tmp_path: Path, case: str
) -> None:
    """Unless a publish of another stage may have found them already, and use them."""
    exists(services)
    if case == "another publishes":
        account.artifacts.write("stages/other/lock.json", b"{}")
    services.creates_change_set(changed(), failure="Nonsense" if case == "rejected" else None)
    if case != "rejected":
        services.deletes_change_set()
    confirm = mock.Mock(side_effect=PublishError("risk")) if case == "refused" else no
    with suppress(PublishError):
        assert publish(account, stage, bundled(tmp_path), confirm=confirm) is None
    left = account.artifacts.keys("bundles/") + account.artifacts.keys("templates/")
    assert len(left) == (2 if case == "another publishes" else 0)
    s3 = account.session.client("s3")
    assert len(s3.list_object_versions(Bucket=account.artifact_bucket).get("Versions", [])) == (
        3 if left else 0
    )


def test_interrupted_question_deletes_the_change_set(
    account: Account, services: Services, stage: Stage
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.deletes_change_set()
    with pytest.raises(KeyboardInterrupt):
        publish(account, stage, package(days="7"), confirm=mock.Mock(side_effect=KeyboardInterrupt))


def test_rolled_back_update_keeps_alias_and_records(
    account: Account, services: Services, stage: Stage
) -> None:
    updates(services, ("Results", "UPDATE_FAILED", "Not now"), "UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(DeploymentError, match="Not now; the stack was rolled back and is unchanged"):
        publish(account, stage, package(days="7"), confirm=yes)
    (written,) = history(account, "dev")
    assert (written.outcome, written.version) == ("taken back", "")
    assert written.reason == "Results (AWS::T): Not now; the stack was rolled back and is unchanged"


def test_publish_is_recorded_before_it_begins(account: Account, services: Services, stage: Stage) -> None:
    exists(services)
    services.creates_change_set(changed())
    seen: list[Any] = []
    services.session.watch(
        "cloudformation",
        "before-parameter-build.cloudformation.ExecuteChangeSet",
        lambda params, **_: seen.extend([params["ClientRequestToken"], *history(account, "dev")]),
    )
    services.looks_at_change_set("AVAILABLE")
    services.cloudformation.add_client_error("execute_change_set", "ThrottlingException")
    with pytest.raises(Exception, match="ThrottlingException"):
        publish(account, stage, package(days="7"), confirm=yes)
    token, written = seen
    assert (written.outcome, written.token) == ("started", token)
    assert "@" in written.where
    assert written.commit == COMMIT
    assert history(account, "dev") == [written], "whether CloudFormation began is not known here"


def test_publish_that_cloudformation_refuses_is_not_recorded(
    account: Account, services: Services, stage: Stage
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.looks_at_change_set("AVAILABLE")
    services.cloudformation.add_client_error("execute_change_set", "ValidationError", "No")
    with pytest.raises(PublishError, match="No"):
        publish(account, stage, package(days="7"), confirm=yes)
    assert history(account, "dev") == []


def test_publish_of_the_published_package_does_nothing(
    account: Account, services: Services, stage: Stage
) -> None:
    unchanged(services)
    services.describes_alias({1: 100})
    services.describes_machine("{}", f"{MACHINE}:1")
    services.describes_machine("{}")
    services.lists_versions(1)
    services.describes_machine("{}", f"{MACHINE}:1")
    services.describes_machine("{}")
    services.describes_alias({1: 100})
    published = publish(account, stage, package(), confirm=fails)
    assert published is not None
    assert not published.changed


def test_change_of_outputs_alone_is_an_update_without_change_set(
    account: Account, services: Services, stage: Stage
) -> None:
    """CloudFormation calls such a change set empty."""
    exists(services)
    services.creates_change_set(failure=NOTHING)
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.cloudformation.add_response("update_stack", {})
    services.updates += 1
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(), {"StateMachine": MACHINE, "More": "x"}))
    services.makes_live(2, before=1)
    published = publish(account, stage, package(Outputs={"More": {"Value": "x"}}), confirm=yes)
    assert published is not None
    assert published.outputs["More"] == "x"
    assert published.plan is not None
    assert published.plan.notes == ["The outputs of the stack change."]


def test_changed_function_loses_its_oldest_versions(
    account: Account, services: Services, stage: Stage, tmp_path: Path
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.executes_change_set()
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(key="bundles/b.zip@1")))
    services.makes_live(2, before=1)
    services.lists_resources(("Collect", "AWS::Lambda::Function", "afterloop-dev-Collect"))
    services.functions.add_client_error("list_versions_by_function", "AccessDeniedException")
    # The versions cannot be listed, but the publish has succeeded.
    assert publish(account, stage, package(key="bundles/b.zip@1"), confirm=yes) is not None
    assert len(history(account, "dev")) == 1


def test_next_publish_completes_an_interrupted_publish(
    account: Account, services: Services, stage: Stage
) -> None:
    updates(services, "UPDATE_COMPLETE")
    services.states.add_client_error("list_state_machine_versions", "ThrottlingException")
    with pytest.raises(Exception, match="ThrottlingException"):
        publish(account, stage, package(days="7"), confirm=yes)

    unchanged(services, days="7")
    services.describes_alias({1: 100})
    services.describes_machine("old", f"{MACHINE}:1")
    services.describes_machine("{}")
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(days="7")))
    services.describes_alias({1: 100})
    services.makes_live(2, before=1, prunes=False)
    plans: list[Plan] = []
    published = publish(account, stage, package(days="7"), confirm=lambda plan: not plans.append(plan))

    assert published is not None
    assert (published.changed, published.version) == (True, f"{MACHINE}:2")
    assert plans[0].notes[0].startswith("New executions go to version 1 (100 %)")
    assert (
        "was interrupted (its process ended before new executions were routed to it)"
        in plans[0].differences[0]
    )
    assert [(one.version, one.outcome) for one in history(account, "dev")] == [(f"{MACHINE}:2", "published")]


def test_bundles_are_uploaded_before_the_update(
    account: Account, services: Services, stage: Stage, tmp_path: Path
) -> None:
    updates(services, ("Collect", "UPDATE_FAILED", "x"), "UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(DeploymentError):
        publish(account, stage, bundled(tmp_path), confirm=yes)
    assert account.artifacts.read("bundles/b.zip") == b"code"


# What is in the artifact bucket may come from somebody else


def bundled(folder: Path, **changes: Any) -> Package:
    """A package with a bundle that is not uploaded yet."""
    file = folder / "b.zip"
    file.write_bytes(b"code")
    return replace(package(key="bundles/b.zip", **changes), bundles={"Collect": Bundle("b", file, ())})


def test_publish_uses_the_version_that_has_its_own_bytes(
    account: Account, services: Services, stage: Stage, tmp_path: Path
) -> None:
    """A pull request knows the keys before they are written: they follow from the code."""
    forged = [
        account.artifacts.write(key, b"{}") for key in ("bundles/b.zip", package(days="7").template_key)
    ]
    updates(services, "UPDATE_COMPLETE")
    services.makes_live(2, before=1)
    services.lists_resources()
    sent: dict[str, Any] = {}
    services.session.watch(
        "cloudformation",
        "before-parameter-build.cloudformation.CreateChangeSet",
        lambda params, **_: sent.update(params),
    )
    plans: list[Plan] = []
    publish(account, stage, bundled(tmp_path), confirm=lambda plan: not plans.append(plan))

    (written,) = history(account, "dev")
    key, _, version = written.parameters["CollectKey"].partition("@")
    s3 = account.session.client("s3")
    found = s3.get_object(Bucket=account.artifact_bucket, Key=key, VersionId=version)
    assert (key, found["Body"].read()) == ("bundles/b.zip", b"code")
    assert not any(one in sent["TemplateURL"] or one in str(sent["Parameters"]) for one in forged)
    assert [one.name for one in plans[0].functions] == ["Collect"]


def test_plan_writes_only_where_no_publish_reads(
    account: Account, services: Services, stage: Stage, tmp_path: Path
) -> None:
    exists(services)
    services.creates_change_set(changed())
    services.deletes_change_set()
    written: list[str] = []
    services.session.watch(
        "s3", "before-parameter-build.s3.PutObject", lambda params, **_: written.append(params["Key"])
    )
    plan_for(account, stage, bundled(tmp_path))
    assert [key.startswith("plans/dev/") for key in written] == [True]
    s3 = account.session.client("s3")
    assert "Versions" not in s3.list_object_versions(Bucket=account.artifact_bucket)


@pytest.mark.parametrize("kind", ["UPDATE", "CREATE"])
@pytest.mark.parametrize(
    "forged",
    [
        {"TemplateBody": json.dumps(template(Description="forged"))},
        {"Parameters": [{"ParameterKey": "Days", "ParameterValue": "1"}]},
    ],
    ids=["template", "parameters"],
)
def test_change_set_that_is_not_what_was_sent_is_refused(
    account: Account, services: Services, stage: Stage, kind: str, forged: Any
) -> None:
    if kind == "UPDATE":
        exists(services)
    else:
        finds_no_stack(services)
    services.creates_change_set(changed(), forged=forged, ChangeSetType=kind)
    services.deletes_change_set()
    if kind == "CREATE":  # The empty stack of the change set goes, too.
        services.finds_stack("REVIEW_IN_PROGRESS")
        services.deletes_stack()
    with pytest.raises(PublishError, match="did not have the template and the parameters that were sent"):
        publish(account, stage, package(days="7"), confirm=yes if kind == "CREATE" else fails)
    assert history(account, "dev") == []


def test_deployed_bundle_that_was_replaced_is_uploaded_again(
    account: Account, services: Services, stage: Stage, tmp_path: Path
) -> None:
    used = account.artifacts.write("bundles/b.zip", b"something else")
    exists(services, key=f"bundles/b.zip@{used}")
    services.creates_change_set(changed())
    services.executes_change_set()
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(days="7")))
    services.makes_live(2, before=1)
    services.lists_resources()
    publish(account, stage, bundled(tmp_path, days="7"), confirm=yes)
    (written,) = history(account, "dev")
    assert written.parameters["CollectKey"] not in ("bundles/b.zip", f"bundles/b.zip@{used}")


# Publishes after hot swaps


def swapped_definition(account: Account, definition: str) -> None:
    """Records a swap of the definition, as `swap` does."""
    values = {"CollectArn": "arn:collect:3"}
    swaps = {"functions": {}, "definition": definition, "values": values}
    account.artifacts.write("stages/dev/swaps.json", json.dumps(swaps).encode())


def undoes_definition(services: Services, *, route: bool) -> None:
    services.returns_template(template())
    services.states.add_response(
        "update_state_machine",
        {"updateDate": NOW, "stateMachineVersionArn": f"{MACHINE}:2"},
        {
            "stateMachineArn": MACHINE,
            "definition": DEFINITION.replace("${CollectArn}", "arn:collect:3"),
            "publish": True,
        },
    )
    if route:
        services.routes({2: 100})


@pytest.mark.parametrize("rollback", [False, True])
def test_swap_is_undone_before_the_update(
    account: Account, services: Services, stage: Stage, progress: Steps, rollback: bool
) -> None:
    """A rollback has already routed new executions: undoing the swap must not route them again."""
    record(account, "dev", package(days="7"), version=f"{MACHINE}:1")
    (restored,) = history(account, "dev")
    swapped_definition(account, '{"Comment": "swapped"}')
    exists(services)
    services.returns_template(template())
    services.creates_change_set(changed())
    services.describes_alias({2: 100})
    services.looks_at_change_set("AVAILABLE")
    undoes_definition(services, route=not rollback)
    services.executes_change_set(at_once=False)
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(days="7")))
    services.makes_live(3, before=2)
    plans: list[Plan] = []

    publish(
        account,
        stage,
        package(days="7"),
        confirm=lambda plan: not plans.append(plan),
        progress=progress,
        restores=restored if rollback else None,
    )

    assert plans[0].swapped == ["definition"]
    assert progress.steps.index("Undoing hot swaps") < progress.steps.index("Updating the stack")
    assert account.artifacts.read("stages/dev/swaps.json") is None


def test_record_of_a_reverted_swap_is_deleted(account: Account, services: Services, stage: Stage) -> None:
    """Its values may be out of date after the publish."""
    swapped_definition(account, DEFINITION)
    exists(services)
    services.returns_template(template())
    services.creates_change_set(changed())
    services.executes_change_set()
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package(days="7")))
    services.makes_live(2, before=1)
    publish(account, stage, package(days="7"), confirm=yes)
    assert account.artifacts.read("stages/dev/swaps.json") is None
