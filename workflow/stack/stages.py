"""The stages of `stages.toml`. Each has one table there, and one stack."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lambdas.loops.restart_policy import Email, FlowDefinition, FlowName, RestartRules, RestartSettings
from lambdas.reviews.rules import SettingsOfFields
from lambdas.reviews.settings import FlowReviewSettings, PredictionSetting, RecordSettings, ReviewSettings
from workflow.errors import SettingsError
from workflow.stack.chat_settings import Chat
from workflow.stack.deployment_settings import BoundaryArn, RoleArn, Tags, Vpc, expect_in_account
from workflow.stack.endpoints import Endpoints
from workflow.stack.parameters import parameters_of
from workflow.stack.settings_errors import did_you_mean, explained, key_of, with_key
from workflow.stack.settings_file import UnknownStage, line_of, read_tables

__all__ = [
    "A2I_REGIONS",
    "FlowDefinitionSettings",
    "Shift",
    "Stage",
    "UnknownStage",
    "checked_stage",
    "load_stage",
    "load_stages",
]

Region = Literal[
    "us-east-1", "us-east-2", "us-west-2", "ca-central-1",
    "eu-central-1", "eu-west-1", "eu-west-2",
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
]  # fmt: skip
"""Where Amazon A2I has an endpoint (https://docs.aws.amazon.com/general/latest/gr/a2i.html)."""

A2I_REGIONS = frozenset(get_args(Region))

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]  # fmt: skip
"""What CloudWatch Logs accepts (PutRetentionPolicy)."""

Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]

AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


MAX_ALARMS = 99
"""Alarms of a shift, beside the stage's own
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-stepfunctions-statemachinealias-deploymentpreference.html)."""

MAX_SHIFT_MINUTES = 2100
"""How long CloudFormation lets a shift take, 35 hours (same source)."""

StateMachine = Annotated[
    str,
    Field(
        pattern=r"^(arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:)?[A-Za-z0-9_-]{1,79}[A-Za-z0-9_*-]$"
    ),
]


class _Settings(BaseModel):
    # The docstring of a key is its meaning in the reference, and its first sentence is part of error messages.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


AlarmName = Annotated[str, Field(pattern=r"^[^,\s](?:[^,]{0,253}[^,\s])?$")]


class Shift(_Settings):
    """A gradual publish: the new version first gets a part of the new executions, then all of them.

    Without this table, it gets all of them at once. If more executions fail on the new version than on the others, the
    others get all new executions again. CloudFormation does that, also if nobody watches.
    """

    first_percent: int = Field(default=10, ge=1, le=99)
    """The percentage of new executions that go to the new version first."""
    minutes: int = Field(default=10, ge=1, le=1440)
    """How many minutes pass before the new version gets more new executions: all of them, or, with `linear`, the same
    percentage again."""
    linear: bool = False
    """Whether the percentage grows by `first_percent` each time, until it is 100. By default, the second step is the
    last."""
    alarms: tuple[AlarmName, ...] = Field(default=(), max_length=MAX_ALARMS)
    """The names of other CloudWatch alarms that end the shift when they go off, such as one of your own metrics."""

    @model_validator(mode="after")
    def _ends_in_time(self) -> Shift:
        minutes = -(-100 // self.first_percent) * self.minutes
        if self.linear and minutes > MAX_SHIFT_MINUTES:
            raise ValueError(
                f"a shift in steps of {self.first_percent} % and {self.minutes} minutes takes {minutes} minutes, and "
                f"the limit is {MAX_SHIFT_MINUTES}; use larger steps or fewer minutes"
            )
        return self


class FlowDefinitionSettings(_Settings):
    """The settings for the loops of the flow definition with the name FLOW.

    The keys of its `restart` override those of the stage.
    """

    restart: dict[str, Any] = {}
    fields: SettingsOfFields = {}
    record: RecordSettings = RecordSettings()


def _with_own_names(name: str) -> str:
    """Returns the name of a stage whose resources cannot be taken for those of another stage.

    Most names have a part in CamelCase after the name of the stage, which has no capitals. Two have not: that of a rule
    (workflow/stack/template/events.py), and that of a bucket, which S3 allows only in lowercase.

    Raises:
        ValueError: They can.
    """
    other, _, rest = f"{name}-".partition("-reviewbucket-")
    if not rest and name.endswith("-executions"):
        other = name.removesuffix("-executions")
    if other != f"{name}-":
        raise ValueError(
            f"{name!r} is invalid: its resources would have the names of those of a stage {other!r}; choose "
            "another name"
        )
    return name


class Stage(_Settings):
    """A stage, which is the stack `afterloop-NAME`. NAME has up to 20 lowercase letters, digits and hyphens."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$"), AfterValidator(_with_own_names)]
    """Use up to 20 lowercase letters, digits and hyphens, the first of them a letter."""
    # An event stays in its Region, so a stage anywhere else would never see one.
    region: Region
    """The Region of the flow definitions, of the workflow and of the reviews. Amazon A2I must be available in it."""
    account: AccountId | None = None
    """The AWS account of the stage, 12 digits, as a string. Credentials of another account are refused. Without this
    key, commands that write to an AWS account refuse each; a local engine needs none."""
    output_buckets: tuple[Bucket, ...] = Field(min_length=1)
    """The buckets that the flow definitions write `output.json` to, by name, without `s3://`. Afterloop reads no other
    bucket."""
    document_buckets: tuple[Bucket, ...] = ()
    """The buckets, by name, of the documents and images that Textract and Rekognition read when a loop is started or
    restarted."""
    bucket_accounts: tuple[AccountId, ...] = ()
    """Other AWS accounts that may own buckets which the stage reads and writes, 12 digits each, as strings. A bucket of
    any other account is refused, also if it has the name of one of yours."""
    flow_definitions: tuple[FlowDefinition, ...] = ()
    """Names or ARNs: only status changes of these flow definitions start the workflow. By default, those of all flow
    definitions in the account do."""
    waiting_workflows: tuple[StateMachine, ...] = ()
    """Names or ARNs of your state machines with a step `HumanReview`: only these are answered, and this stage's own. A
    name can end with `*`. By default, all state machines in the account are."""
    notification_emails: tuple[Email, ...] = ()
    """Email addresses that get messages about stopped loops, at most five."""
    notification_endpoints: Endpoints = ()
    """HTTPS URLs, and ARNs of SQS queues, that get messages about stopped loops, at most three."""
    escalation_emails: tuple[Email, ...] = ()
    """Email addresses that get messages when a person has to act, and alarms, at most five with those of
    `escalate_to`."""
    escalation_endpoints: Endpoints = ()
    """HTTPS URLs, and ARNs of SQS queues, that get messages when a person has to act, and alarms, at most three."""
    log_retention_days: RetentionDays = 30
    """How many days CloudWatch Logs keeps the logs."""
    archive_days: int = Field(default=30, ge=0, le=3653)
    """How many days EventBridge archives the status changes that start the workflow, so that `loops replay` can process
    them again. 0 is no archive: a publish deletes the one that the stage has."""
    protected: bool = False
    """Whether to refuse hot swaps and `destroy`. A publish also sets termination protection of the stack, deletion
    protection of the tables, and a stack policy against replacing and deleting what holds data; or removes them."""
    worker_identity: Literal["keep", "hash", "drop"] = "keep"
    """What a review record contains about a worker: the ids of A2I and of the identity provider, pseudonyms, or
    nothing."""
    predictions: dict[FlowName, PredictionSetting] = {}
    """For custom tasks: flow definition → where in `inputContent` the prediction is. A JMESPath, or one or more tables
    for lists of items (see below), or `false`: there is no prediction. By default, Afterloop looks in the usual
    places."""
    max_output_bytes: int = Field(default=33_554_432, ge=1024, le=268_435_456)
    """The size of the largest `output.json` that is read, in bytes, 1 KiB to 256 MiB."""
    tags: Tags = {}
    """Tags of the stack, key → value, at most 49. CloudFormation copies them to its resources. The artifact bucket gets
    none, because all stages share it."""
    permissions_boundary: BoundaryArn | None = None
    """The ARN of a policy that limits the permissions of all roles of the stage."""
    service_role: RoleArn | None = None
    """The ARN of a role that CloudFormation assumes to change the stack. CloudFormation keeps it: after this key is
    removed, it goes on with that role, until you name another one."""
    restart: RestartRules = RestartRules()
    shift: Shift | None = None
    vpc: Vpc | None = None
    chat: Chat | None = None
    flow_definition_settings: dict[FlowName, FlowDefinitionSettings] = {}

    @property
    def stack_name(self) -> str:
        """Name of the stage's CloudFormation stack."""
        return f"afterloop-{self.name}"

    def review_settings(self) -> ReviewSettings:
        """Returns the settings that the functions read reviews with."""
        return ReviewSettings(
            output_buckets=self.output_buckets,
            predictions=self.predictions,
            flow_definitions={
                flow: FlowReviewSettings(fields=settings.fields, record=settings.record)
                for flow, settings in self.flow_definition_settings.items()
                if settings.fields or settings.record != RecordSettings()
            },
            worker_identity=self.worker_identity,
            max_output_bytes=self.max_output_bytes,
        )

    def restart_settings(self) -> RestartSettings:
        """Returns the stage's restart rules, and complete rules for each flow definition with its own."""
        flows = {
            flow: self._rules_of(flow)
            for flow, settings in self.flow_definition_settings.items()
            if settings.restart
        }
        return RestartSettings(**self.restart.model_dump(), flow_definitions=flows)

    def parameters(self, account: str = "") -> dict[str, str]:
        """Returns the CloudFormation parameters that bring this stage's settings into the template.

        Args:
            account: The 12 digits of the AWS account, if the stage does not name it. It is needed only when
                `flow_definitions` has names.

        Raises:
            SettingsError: The settings are too long, or a name needs the account.
        """
        return parameters_of(self, account)

    def _rules_of(self, flow: str) -> RestartRules:
        rules = _merged(self.restart.model_dump(mode="json"), self.flow_definition_settings[flow].restart)
        return RestartRules.model_validate_json(json.dumps(rules), strict=True)

    @model_validator(mode="after")
    def _is_consistent(self) -> Stage:
        arns = {"permissions_boundary": self.permissions_boundary, "service_role": self.service_role}
        expect_in_account(arns, region=self.region, account=self.account)
        # What the functions read must be valid here already: on Lambda, the first event would fail.
        with with_key(ReviewSettings):
            self.review_settings()
        expired_to = {"restart.expired_to": self.restart.expired_to}
        for flow, settings in self.flow_definition_settings.items():
            key = f"flow_definition_settings.{flow}.restart"
            with with_key(RestartRules, key):
                self._rules_of(flow)
            expired_to[f"{key}.expired_to"] = settings.restart.get("expired_to")
        for flow in self.flow_definitions:
            self._expect_in_region("flow_definitions", flow)
        for workflow in self.waiting_workflows:
            self._expect_in_region("waiting_workflows", workflow)
        names = [flow.rpartition("/")[2] for flow in self.flow_definitions]
        for key, target in expired_to.items():
            if target is None:
                continue
            self._expect_in_region(key, target)
            if names and target.rpartition("/")[2] not in names:
                raise ValueError(
                    f"{key}: {target!r} is not in flow_definitions, so the stage would get no events of the loops "
                    "that go there; add it"
                )
        return self

    def _expect_in_region(self, key: str, name: str) -> None:
        if name.startswith("arn:") and name.split(":")[3] != self.region:
            raise ValueError(
                f"{key}: {name} is not in the stage's Region, {self.region}; use a stage for each Region"
            )


def load_stages(path: Path) -> dict[str, Stage]:
    """Returns the stages of a settings file, by name, in the file's order.

    Raises:
        SettingsError: The file is missing, is not TOML or has no stage, or a stage's settings are invalid.
    """
    tables, text = read_tables(path)
    return {name: checked_stage(path.name, name, table, text) for name, table in tables.items()}


def load_stage(path: Path, name: str, **overrides: Any) -> Stage:
    """Returns one stage of a settings file. The others are not checked.

    Args:
        path: The settings file.
        name: The stage's name.
        overrides: Values to use instead of those in the file, by key.

    Raises:
        UnknownStage: The file is missing, or it has no stage of that name.
        SettingsError: As for `load_stages`.
    """
    tables, text = read_tables(path)
    if name not in tables:
        raise UnknownStage(
            f"{path.name}: stage {name!r} does not exist; the stages are {', '.join(tables)}"
            + did_you_mean(name, tables)
        )
    table = tables[name]
    given = {**table, **overrides} if isinstance(table, dict) else table
    return checked_stage(path.name, name, given, text, options=overrides)


def checked_stage(
    file: str, name: str, table: Any, text: str = "", *, options: Collection[str] = ()
) -> Stage:
    """Returns the stage that a table describes.

    Args:
        file: Name of the settings file, for messages.
        name: The stage's name.
        table: Its keys and values.
        text: The settings file, for the line in messages; empty if it is not written yet.
        options: The keys that are from options of the command line, not from the file.

    Raises:
        SettingsError: The settings are invalid.
    """

    def problem(message: str, key: Sequence[str] = ()) -> SettingsError:
        if any(part in options for part in key[:1]):
            return SettingsError(f"--{message}")
        line = line_of(text, ("stages", name, *key))
        return SettingsError(f"{file}{f':{line}' if line else ''}: stage {name}: {message}")

    if not isinstance(table, dict):
        raise problem(f"must be a table, [stages.{name}]")
    if "name" in table:
        raise problem(f"name: the table [stages.{name}] names the stage; remove the key", ["name"])
    try:
        # As JSON, because the messages then use the words of TOML: "array", not "tuple". Strictly, because "3" and "no"
        # in quotes would be taken for a number and for false.
        stage = Stage.model_validate_json(json.dumps({"name": name, **table}, default=str), strict=True)
        stage.parameters(account="0" * 12)  # Whether they are short enough does not depend on the account.
    except ValidationError as error:
        raise problem(explained(error, Stage), key_of(error)) from None
    except SettingsError as error:
        raise problem(str(error).removeprefix(f"stage {name}: ")) from None
    return stage


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, table by table."""
    return {
        key: _merged(base[key], over[key])
        if isinstance(base.get(key), dict) and isinstance(over.get(key), dict)
        else over.get(key, base.get(key))
        for key in {**base, **over}
    }  # fmt: skip
