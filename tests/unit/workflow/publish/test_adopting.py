"""Kept data of a stage: how it is found, and what an import of it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.doubles import create_ledger_table, create_token_table
from tests.unit.workflow.publish.conftest import CHANGE_SET_ID, STACK_ID, Services, Steps
from workflow import ROOT
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.adopting import adopt, adopting, import_of, remembered
from workflow.publish.destroying import destroy, destruction
from workflow.publish.kept_data import Generation, Kept, kept_data
from workflow.publish.plan import Plan
from workflow.publish.tagged import TaggedResources
from workflow.stack.stages import Stage

TEMPLATE: Mapping[str, Any] = json.loads((ROOT / "definitions/template.json").read_text())
NEW = Plan("afterloop-dev", creates=True)
LEDGER, TOKENS, BUCKET = (
    "afterloop-dev-LedgerTable-A",
    "afterloop-dev-TokenTable-A",
    "afterloop-dev-reviewbucket-a",
)


STACKS = "arn:aws:cloudformation:us-east-1:123456789012:stack"


class Tagging:
    """The Resource Groups Tagging API, with the tags of CloudFormation, which nobody else can set."""

    def __init__(self) -> None:
        self.tags: dict[str, dict[str, str]] = {}

    def add(self, arn: str, logical_id: str = "", stack: str = "afterloop-dev/one") -> None:
        tags = {"logical-id": logical_id, "stack-id": f"{STACKS}/{stack}"}
        self.tags[arn] = {f"aws:cloudformation:{key}": value for key, value in tags.items() if logical_id}

    def get_paginator(self, _: str) -> Tagging:
        return self

    def paginate(self, **request: Any) -> Iterator[Any]:
        assert request["TagFilters"] == [{"Key": "afterloop:stage", "Values": ["dev"]}]
        for arn, tags in self.tags.items():
            listed = [{"Key": key, "Value": value} for key, value in tags.items()]
            yield {"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": listed}]}


def arn(table: str) -> str:
    return f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}"


@pytest.fixture
def tagging(account: Account) -> Tagging:
    found = Tagging()
    vars(account)["tagged"] = TaggedResources(found)
    return found


@pytest.fixture
def kept(account: Account, tagging: Tagging) -> Account:
    """The account with the data of a destroyed stack, and with the tag of a table that was deleted."""
    s3, dynamodb = account.session.client("s3"), account.session.client("dynamodb")
    create_ledger_table(dynamodb, LEDGER)
    create_token_table(dynamodb, TOKENS)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(POLICY))
    tagging.add(arn(LEDGER), "LedgerTable")
    tagging.add(arn(TOKENS), "TokenTable")
    tagging.add(f"arn:aws:s3:::{BUCKET}", "ReviewBucket")
    tagging.add(arn("deleted"), "LedgerTable")
    tagging.add("arn:aws:s3:::deleted", "ReviewBucket")
    return account


POLICY = {"Version": "2012-10-17", "Statement": []}


def test_kept_data_of_one_stack_is_one_generation(kept: Account) -> None:
    (generation,) = kept_data(kept, "dev")
    assert generation.stack_id == f"{STACKS}/afterloop-dev/one"
    assert generation.created is not None
    assert [(one.id, one.name) for one in generation.resources] == [
        ("LedgerTable", LEDGER),
        ("ReviewBucket", BUCKET),
        ("TokenTable", TOKENS),
    ]
    assert kept_data(kept, "dev", but={LEDGER, TOKENS, BUCKET}) == []


def test_generations_are_told_apart_by_their_stack_and_by_what_an_update_replaced(
    kept: Account, tagging: Tagging
) -> None:
    dynamodb = kept.session.client("dynamodb")
    for name, stack in (("replaced", "afterloop-dev/one"), ("second", "afterloop-dev/two")):
        create_ledger_table(dynamodb, name)
        tagging.add(arn(name), "LedgerTable", stack)
    found = [(one.stack_id[-3:], len(one.resources)) for one in kept_data(kept, "dev")]
    assert sorted(found) == [("one", 1), ("one", 3), ("two", 1)]


def test_data_that_another_stack_has_taken_over_is_left_alone(kept: Account, tagging: Tagging) -> None:
    tagging.add(arn(LEDGER), "Reviews", "team-data/1")
    tagging.add(arn(TOKENS), "TokenTable", "afterloop-dev-2/1")
    (generation,) = kept_data(kept, "dev")
    assert [one.name for one in generation.resources] == [BUCKET]


def test_data_that_no_resource_of_the_template_fits_is_not_adopted(kept: Account, tagging: Tagging) -> None:
    for table in (LEDGER, TOKENS):
        tagging.add(arn(table), "Reviews")
    kept.data.delete_bucket(BUCKET)
    with pytest.raises(PublishError, match="has no place for Reviews"):
        adopting(kept, "dev", TEMPLATE, NEW, lambda found: found[0], to_publish=True)


def test_kept_data_without_tags_of_cloudformation_is_known_by_its_name(
    kept: Account, tagging: Tagging
) -> None:
    for tagged in list(tagging.tags):
        tagging.add(tagged)
    (generation,) = kept_data(kept, "dev")
    assert [one.id for one in generation.resources] == ["LedgerTable", "ReviewBucket", "TokenTable"]


def test_plan_says_what_was_kept_and_a_publish_does_not_guess(kept: Account) -> None:
    plan, chosen = adopting(kept, "dev", TEMPLATE, NEW, None, to_publish=False)
    assert (len(plan.notes), chosen) == (1, None)
    with pytest.raises(PublishError, match=f"kept data: LedgerTable {LEDGER} .* pass --data adopt to go on"):
        adopting(kept, "dev", TEMPLATE, NEW, None, to_publish=True)
    plan, chosen = adopting(kept, "dev", TEMPLATE, NEW, lambda _: None, to_publish=True)
    assert chosen is None
    assert plan.notes[0].startswith("Leaves in the account, and does not use, LedgerTable")


def test_what_was_deleted_of_kept_data_is_created_empty(kept: Account) -> None:
    kept.data.delete_table(TOKENS)
    plan, chosen = adopting(kept, "dev", TEMPLATE, NEW, lambda found: found[0], to_publish=True)
    assert plan.notes[-1] == "Nothing was kept of TokenTable: created empty."
    assert chosen is not None
    template, imports = import_of(kept, chosen, TEMPLATE)
    assert [one.id for one in imports] == ["LedgerTable", "ReviewBucket", "ReviewBucketPolicy"]
    assert template["Resources"].keys() == {one.id for one in imports}


def test_import_says_what_is_there_so_that_the_update_sets_the_rest(kept: Account) -> None:
    (generation,) = kept_data(kept, "dev")
    template, imports = import_of(kept, generation, TEMPLATE)
    declared, resources = TEMPLATE["Resources"], template["Resources"]
    ledger = resources["LedgerTable"]["Properties"]
    # What is equal, is equal to the letter: an update that sees a changed list would replace or index again.
    for name in ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode"):
        assert ledger[name] == declared["LedgerTable"]["Properties"][name]
    assert "PointInTimeRecoverySpecification" not in ledger
    assert "Properties" not in resources["ReviewBucket"]
    assert resources["ReviewBucketPolicy"]["Properties"] == {
        "Bucket": {"Ref": "ReviewBucket"},
        "PolicyDocument": POLICY,
    }
    assert {one["DeletionPolicy"] for one in resources.values()} == {"Retain"}
    assert [one.identifier for one in imports] == [
        {"TableName": LEDGER},
        {"BucketName": BUCKET},
        {"Bucket": BUCKET},
        {"TableName": TOKENS},
    ]


def test_bucket_without_a_policy_gets_one_by_the_update(kept: Account) -> None:
    kept.session.client("s3").delete_bucket_policy(Bucket=BUCKET)
    (generation,) = kept_data(kept, "dev")
    _, imports = import_of(kept, generation, TEMPLATE)
    assert "ReviewBucketPolicy" not in [one.id for one in imports]


@pytest.mark.parametrize(
    ("key", "indexes", "problem"),
    [
        ("loop", 3, r"has the key loop \(S\), and this version of Afterloop needs humanLoopName \(S\)"),
        (
            "humanLoopName",
            1,
            r"differ in the indexes by-outcome, by-status, of which CloudFormation can change one",
        ),
        ("humanLoopName", 2, None),
    ],
)
def test_table_of_another_version_is_adopted_if_one_update_can_change_it(
    kept: Account, key: str, indexes: int, problem: str | None
) -> None:
    kept.data.delete_table(LEDGER)
    properties = TEMPLATE["Resources"]["LedgerTable"]["Properties"]
    some = properties["GlobalSecondaryIndexes"][:indexes]
    keys = {key, *(one["AttributeName"] for index in some for one in index["KeySchema"])}
    kept.session.client("dynamodb").create_table(
        TableName=LEDGER,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in keys],
        GlobalSecondaryIndexes=[
            {**index, "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
            for index in some
        ],
    )
    if problem:
        with pytest.raises(PublishError, match=problem):
            adopting(kept, "dev", TEMPLATE, NEW, lambda found: found[0], to_publish=True)
        return
    _, chosen = adopting(kept, "dev", TEMPLATE, NEW, lambda found: found[0], to_publish=True)
    assert chosen is not None
    table = import_of(kept, chosen, TEMPLATE)[0]["Resources"]["LedgerTable"]["Properties"]
    assert table["BillingMode"] == "PROVISIONED"
    assert table["ProvisionedThroughput"] == {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    assert len(table["GlobalSecondaryIndexes"]) == 2


def test_import_that_fails_leaves_no_stack_and_says_that_the_data_is_unharmed(
    kept: Account, services: Services, progress: Steps
) -> None:
    (generation,) = kept_data(kept, "dev")
    services.finds_stack("REVIEW_IN_PROGRESS")  # of an adoption that was interrupted
    services.deletes_stack()
    services.emits("DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    stub = services.cloudformation
    stub.add_response("create_change_set", {"Id": CHANGE_SET_ID, "StackId": STACK_ID})
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    services.executes_change_set()
    services.emits(
        "IMPORT_IN_PROGRESS", ("LedgerTable", "IMPORT_FAILED", "It is in another stack"), "ROLLBACK_COMPLETE"
    )
    services.finds_stack("ROLLBACK_COMPLETE")
    services.deletes_stack()
    services.emits("DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    with pytest.raises(
        PublishError, match="could not be adopted, and is as it was: It is in another stack; pass"
    ):
        adopt(kept, "afterloop-dev", generation, TEMPLATE, progress)
    assert len(kept_data(kept, "dev")[0].resources) == 3


def test_destroy_without_a_stack_deletes_what_was_kept_on_request(
    kept: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    services.finds_stack(None)
    found = destruction(kept, stage, delete_data=True)
    assert found is not None
    assert (found.stack_id, len(found.kept)) == (None, 3)
    services.cloudformation.add_response("describe_stacks", {"Stacks": []})
    destroy(kept, stage, found, progress)
    assert kept_data(kept, "dev") == []
    assert progress.steps[0] == f"Deleting {LEDGER}"
    services.finds_stack(None)
    assert destruction(kept, stage) is None


def test_generation_is_described_with_its_date() -> None:
    resources = [Kept("LedgerTable", "AWS::DynamoDB::Table", "ledger", 1234)]
    at = datetime(2026, 3, 4, tzinfo=UTC)
    assert Generation("one", at, resources).text == "LedgerTable ledger (about 1,234 items) of 2026-03-04"


def test_choice_is_asked_for_once_though_a_plan_is_made_again(kept: Account) -> None:
    asked: list[int] = []

    def choose(found: Sequence[Generation]) -> Generation:
        asked.append(len(found))
        return found[0]

    once = remembered(choose)
    first, second = (once(kept_data(kept, "dev")) for _ in range(2))
    assert (first, asked) == (second, [1])
