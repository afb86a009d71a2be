"""The stages of `stages.toml`: one table each, one stack each.

The template is the same for all stages, byte for byte: what a stage says reaches it only as the
CloudFormation parameters that `Stage.parameters` gives.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from lambdas.loops.restart_policy import Email, FlowDefinition, FlowName, RestartRules, RestartSettings
from lambdas.reviews.settings import ReviewSettings
from workflow.errors import SettingsError
from workflow.stack import EMAILS_PER_TOPIC

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

A2I_REGIONS = frozenset(
    {
        "us-east-1", "us-east-2", "us-west-2", "ca-central-1",
        "eu-central-1", "eu-west-1", "eu-west-2",
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    }
)  # fmt: skip
"""Where Amazon A2I has an endpoint (https://docs.aws.amazon.com/general/latest/gr/a2i.html). A bucket's
reviews and the workflow must be in the loops' Region: a stage elsewhere would never see an event."""

ENVIRONMENT_LIMIT = 3500
"""Bytes of settings in a function's environment: Lambda takes 4 KB, and names and our own variables are in it."""

PARAMETER_LIMIT = 4096
"""Characters of a CloudFormation parameter's value
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""

PATTERN_LIMIT = 2048 - 128
"""Characters of ARNs in a rule's event pattern, which may have 2,048 with all the rest
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html)."""

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""Days that CloudWatch Logs can keep a log group's events (PutRetentionPolicy)."""


def _offers_a2i(region: str) -> str:
    if region not in A2I_REGIONS:
        raise ValueError(
            f"Amazon A2I is not offered in {region!r}; it is in {', '.join(sorted(A2I_REGIONS))}"
        )
    return region


def _can_be_kept(days: int) -> int:
    if days not in RETENTION_DAYS:
        raise ValueError(
            f"CloudWatch Logs cannot keep logs for {days} days; it can for "
            + ", ".join(map(str, RETENTION_DAYS))
        )
    return days


Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]


class UnknownStage(SettingsError):
    """There is no stage of that name, or no settings file at all."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shift(_Settings):
    """How a publish moves new executions from the version before to the new one."""

    first_percent: int = Field(default=10, ge=1, le=99, description="Give a percentage from 1 to 99.")
    """The part of new executions that go to the new version first."""
    minutes: int = Field(default=10, ge=1, le=1440, description="Give minutes from 1 to 1440.")
    """How long that lasts."""


class FlowDefinitionSettings(_Settings):
    """What differs from the stage for the loops of one flow definition."""

    restart: dict[str, Any] = Field(
        default={}, description="Give the keys of `restart` that differ from the stage's."
    )


class Stage(_Settings):
    """One stage: one stack, with the settings it is published with."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,19}$", description="Use up to 20 lower-case letters, digits and hyphens."
    )
    region: Annotated[str, AfterValidator(_offers_a2i)] = Field(
        description="Give the Region of the flow definitions, such as us-east-1."
    )
    """The Region of the flow definitions. Reviews and workflow are in it, too."""
    account: str | None = Field(
        default=None,
        pattern=r"^[0-9]{12}$",
        description="Give the 12 digits of the AWS account that this stage belongs to, as a string.",
    )
    """The AWS account that the stage belongs to, 12 digits. With it, a publish with credentials of another
    account is refused."""
    output_buckets: tuple[Bucket, ...] = Field(
        min_length=1,
        description="List the buckets that your flow definitions write output.json to, by name, without s3://.",
    )
    """The buckets that flow definitions write `output.json` to. No other bucket is read."""
    document_buckets: tuple[Bucket, ...] = Field(
        default=(),
        description="List the buckets of the documents that Textract and Rekognition read, by name.",
    )
    """The buckets of the documents and images that Textract and Rekognition read when a loop is started or
    restarted."""
    flow_definitions: tuple[FlowDefinition, ...] = Field(
        default=(),
        description="List names or ARNs of flow definitions, or leave the key out for all of the account.",
    )
    """Names or ARNs: only their status changes start the workflow. Empty: all of the account."""
    notification_emails: tuple[Email, ...] = Field(default=(), description="List e-mail addresses.")
    """Who is told of stopped loops; at most five."""
    escalation_emails: tuple[Email, ...] = Field(default=(), description="List e-mail addresses.")
    """Who is called when a person has to act; at most five, with those of `escalate_to`."""
    log_retention_days: Annotated[int, AfterValidator(_can_be_kept)] = Field(
        default=30, description="Give one of the numbers of days that CloudWatch Logs has, such as 30 or 365."
    )
    """How long logs are kept. One of the numbers of days that CloudWatch Logs knows."""
    protected: bool = Field(default=False, description="Use true or false.")
    """A protected stage takes no hot swap, and cannot be destroyed before the protection is lifted."""
    worker_identity: Literal["keep", "hash", "drop"] = Field(
        default="keep", description="Use keep, hash or drop."
    )
    """What a review record says of who answered: their id, a pseudonym, or nothing."""
    predictions: dict[FlowName, str] = Field(
        default={}, description="Give a JMESPath into inputContent for each flow definition, by name."
    )
    """For custom tasks: flow definition → JMESPath from `inputContent` to the prediction. Without it, the usual
    places are looked at."""
    max_output_bytes: int = Field(
        default=33_554_432,
        ge=1024,
        le=268_435_456,
        description="Give the largest output.json to read, in bytes, 1 KiB to 256 MiB.",
    )
    """The largest `output.json` that is read, in bytes, 1 KiB to 256 MiB."""
    restart: RestartRules = Field(
        default=RestartRules(), description="See restart in the reference of settings."
    )
    shift: Shift | None = Field(
        default=None, description="Give first_percent and minutes, or leave the table out."
    )
    flow_definition_settings: dict[FlowName, FlowDefinitionSettings] = Field(
        default={}, description="Give one table for each flow definition, by name."
    )

    @property
    def stack_name(self) -> str:
        """Name of the stage's CloudFormation stack."""
        return f"afterloop-{self.name}"

    def review_settings(self) -> ReviewSettings:
        """What the functions are told about reading reviews."""
        return ReviewSettings(
            output_buckets=self.output_buckets,
            predictions=self.predictions,
            worker_identity=self.worker_identity,
            max_output_bytes=self.max_output_bytes,
        )

    def restart_settings(self) -> RestartSettings:
        """The restart rules of the stage with those of its flow definitions, each whole."""
        stage_rules = self.restart.model_dump()
        of_flows = {
            flow: RestartRules.model_validate(_merged(stage_rules, settings.restart))
            for flow, settings in self.flow_definition_settings.items()
            if settings.restart
        }
        return RestartSettings(**stage_rules, flow_definitions=of_flows)

    def parameters(self, account: str = "") -> dict[str, str]:
        """The CloudFormation parameters that carry this stage's settings into the template.

        Args:
            account: the 12 digits of the AWS account, if the stage does not name it; needed only when
                `flow_definitions` has names.

        Raises:
            SettingsError: a value is longer than CloudFormation takes, or a name needs the account.
        """
        # E-mail addresses are the topics' business; the functions need not know them.
        without_emails: Any = {"escalate_to": True, "flow_definitions": {"__all__": {"escalate_to"}}}
        restart = self.restart_settings().model_dump(exclude_defaults=True, exclude=without_emails)
        parameters = {
            "Stage": self.name,
            "OutputBuckets": ",".join(self.output_buckets),
            "DocumentBuckets": ",".join(self.document_buckets) or "-",
            "FlowDefinitionArns": ",".join(self._arn(flow, account) for flow in self.flow_definitions) or "*",
            **self._subscribed("Notification", {"*": self.notification_emails}, "notification_emails"),
            **self._subscribed("Escalation", self._escalated_to(), "escalation_emails and escalate_to"),
            "LogRetentionDays": str(self.log_retention_days),
            "ReviewSettings": _compact(self.review_settings().model_dump(by_alias=True)),
            "RestartSettings": _compact(restart),
        }
        for parameter, value in parameters.items():
            if len(value) > PARAMETER_LIMIT:
                raise SettingsError(
                    f"stage {self.name}: {_KEYS_OF_PARAMETER[parameter]}: together they make "
                    f"{len(value)} characters of the stack parameter {parameter}, "
                    f"which takes {PARAMETER_LIMIT}; shorten them, or use two stages"
                )
        arns = json.dumps(parameters["FlowDefinitionArns"].split(","), separators=(",", ":"))
        if len(arns) > PATTERN_LIMIT:
            raise SettingsError(
                f"stage {self.name}: flow_definitions: the ARNs make {len(arns)} characters of the rule's event "
                f"pattern, which has room for {PATTERN_LIMIT}; use two stages, or leave the key out for all"
            )
        # All functions have the first two, and those that start loops the third as well.
        in_environment = ("ReviewSettings", "RestartSettings", "FlowDefinitionArns")
        together = sum(len(parameters[parameter].encode()) for parameter in in_environment)
        if together > ENVIRONMENT_LIMIT:
            keys = ", ".join(_KEYS_OF_PARAMETER[parameter] for parameter in in_environment)
            raise SettingsError(
                f"stage {self.name}: {keys}: together they make {together} bytes of a function's environment, "
                f"which has room for {ENVIRONMENT_LIMIT}; shorten them, or use two stages"
            )
        return parameters

    def _escalated_to(self) -> dict[str, tuple[Email, ...]]:
        """Who is told of escalations: of all flow definitions (`*`), and of single ones."""
        settings = self.restart_settings()
        of_flows = {flow: rules.escalate_to for flow, rules in settings.flow_definitions.items()}
        return {"*": (*self.escalation_emails, *settings.escalate_to), **of_flows}

    def _subscribed(
        self, topic: str, addresses: Mapping[str, tuple[Email, ...]], keys: str
    ) -> dict[str, str]:
        """Subscriptions as the template takes them: a fixed number of addresses, each with a flow definition."""
        of_all = addresses["*"]
        pairs = dict.fromkeys(
            (email, flow)
            for flow, emails in addresses.items()
            for email in emails
            if flow == "*" or email not in of_all
        )
        if len(pairs) > EMAILS_PER_TOPIC:
            raise SettingsError(
                f"stage {self.name}: {keys}: together they name {len(pairs)} addresses, and a topic takes "
                f"{EMAILS_PER_TOPIC}; subscribe a mailing list"
            )
        slots = [*pairs, *[("-", "*")] * (EMAILS_PER_TOPIC - len(pairs))]
        return {
            f"{topic}Emails": ",".join(email for email, _ in slots),
            f"{topic}EmailFlowDefinitions": ",".join(flow for _, flow in slots),
        }

    def _arn(self, flow_definition: str, account: str) -> str:
        if flow_definition.startswith("arn:"):
            return flow_definition
        if not (account := self.account or account):
            raise SettingsError(
                f"stage {self.name}: flow_definitions: the account of {flow_definition!r} is not known here; "
                "give its ARN"
            )
        return f"arn:aws:sagemaker:{self.region}:{account}:flow-definition/{flow_definition}"

    @model_validator(mode="after")
    def _settings_of_functions_hold(self) -> Stage:
        try:
            self.review_settings()
        except ValidationError as error:
            first = error.errors()[0]
            where = _key(first["loc"])
            raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
        return self

    @model_validator(mode="after")
    def _flow_definitions_agree(self) -> Stage:
        for flow, settings in self.flow_definition_settings.items():
            try:
                RestartRules.model_validate(_merged(self.restart.model_dump(), settings.restart))
            except ValidationError as error:
                at = ("flow_definition_settings", flow, "restart")
                raise ValueError(_told(error.errors()[0], at, field=("restart",))) from None
        for flow in self.flow_definitions:
            if self._is_elsewhere(flow):
                raise ValueError(
                    f"flow_definitions: {flow} is in another Region than the stage's, {self.region}"
                )
        for key, expired_to in self._expired_to().items():
            if self._is_elsewhere(expired_to):
                raise ValueError(f"{key}: {expired_to} is in another Region than the stage's, {self.region}")
            names = [flow.rpartition("/")[2] for flow in self.flow_definitions]
            if names and expired_to.rpartition("/")[2] not in names:
                raise ValueError(
                    f"{key}: {expired_to!r} is not in flow_definitions: the stage would not hear of the end of "
                    "loops that go there; add it"
                )
        return self

    def _is_elsewhere(self, flow_definition: str) -> bool:
        return flow_definition.startswith("arn:") and flow_definition.split(":")[3] != self.region

    def _expired_to(self) -> dict[str, str]:
        """The flow definitions that expired loops go to, by the key that says so."""
        of_flows = {
            f"flow_definition_settings.{flow}.restart.expired_to": settings.restart.get("expired_to")
            for flow, settings in self.flow_definition_settings.items()
        }
        given = {"restart.expired_to": self.restart.expired_to, **of_flows}
        return {key: expired_to for key, expired_to in given.items() if expired_to}


_KEYS_OF_PARAMETER = {
    "Stage": "name",
    "OutputBuckets": "output_buckets",
    "DocumentBuckets": "document_buckets",
    "FlowDefinitionArns": "flow_definitions",
    "NotificationEmails": "notification_emails",
    "EscalationEmails": "escalation_emails and restart.escalate_to",
    "NotificationEmailFlowDefinitions": "notification_emails",
    "EscalationEmailFlowDefinitions": "flow_definition_settings",
    "LogRetentionDays": "log_retention_days",
    "ReviewSettings": "output_buckets, predictions, worker_identity and max_output_bytes",
    "RestartSettings": "restart and flow_definition_settings",
}


def load_stages(path: Path) -> dict[str, Stage]:
    """The stages of a settings file, by name, in the file's order.

    Raises:
        SettingsError: the file is missing, is not TOML, has no stage, or a stage says what cannot be.
    """
    tables = _tables(path)
    return {name: checked_stage(path.name, name, table) for name, table in tables.items()}


def load_stage(path: Path, name: str, **instead: Any) -> Stage:
    """One stage of a settings file; the others are not looked at.

    Args:
        path: the settings file.
        name: the stage's name.
        instead: values that stand in for those of the file, by key.

    Raises:
        UnknownStage: there is no stage of that name, or no file.
        SettingsError: as `load_stages`.
    """
    tables = _tables(path)
    if name not in tables:
        raise UnknownStage(
            f"{path.name}: there is no stage {name!r}; it has {', '.join(tables)}"
            + _did_you_mean(name, tables)
        )
    table = tables[name]
    return checked_stage(path.name, name, {**table, **instead} if isinstance(table, dict) else table)


def checked_stage(file: str, name: str, table: Any) -> Stage:
    """A stage from its table.

    Args:
        file: name of the settings file, for messages.
        name: the stage's.
        table: its keys and values.

    Raises:
        SettingsError: the table says what cannot be.
    """
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: stage {name}: must be a table, [stages.{name}]")
    if "name" in table:
        raise SettingsError(
            f"{file}: stage {name}: name: the table [stages.{name}] names the stage; take the key out"
        )
    try:
        stage = Stage(name=name, **table)
        stage.parameters(account="0" * 12)  # Whatever the account: are they short enough?
    except ValidationError as error:
        *others, last = [_told(problem) for problem in error.errors() if not _follows(problem)]
        problems = "".join(f"{other.removesuffix('.')}; " for other in others) + last
        raise SettingsError(f"{file}: stage {name}: {problems}") from None
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None
    return stage


def _tables(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnknownStage(f"{path}: there is no such file; write one with `python deploy.py init`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name}: is not TOML: {error}") from None
    stray = [key for key in document if key != "stages"]
    if stray:
        raise SettingsError(
            f"{path.name}: unknown key {stray[0]!r} at the top; every stage is a table [stages.NAME]"
        )
    tables = document.get("stages")
    if not isinstance(tables, dict) or not tables:
        raise SettingsError(
            f"{path.name}: has no stage; write a table [stages.dev], or run `python deploy.py init`"
        )
    return tables


def _told(problem: Any, at: tuple[str, ...] = (), *, field: tuple[str, ...] = ()) -> str:
    """One validation problem as `key: what is wrong. What to do.`

    Args:
        problem: as pydantic has it.
        at: where in the stage it is, if it is not of the stage itself.
        field: which field of a stage has the same type as what is there.
    """
    key = _key((*at, *problem["loc"]))
    model, advice = _field_at((*field, *problem["loc"]))
    match problem["type"]:
        case "extra_forbidden":
            keys = [field for field in model.model_fields if field != "name"]
            close = _did_you_mean(str(problem["loc"][-1]), keys)
            return f"{key}: there is no such key{close or '; the keys are ' + ', '.join(keys)}"
        case "missing":
            return f"{key}: is missing. {advice}"
        case "value_error":
            message = problem["msg"].removeprefix("Value error, ")
            return f"{key}: {message}" if key else message
        case "string_pattern_mismatch":
            return f"{key}: {problem['input']!r} will not do. {advice}".rstrip()
        case _:
            return f"{key}: {_words(problem)}, not {problem['input']!r}. {advice}".rstrip()


def _follows(problem: Any) -> bool:
    """Whether a problem is told already: a list that lacks items only because those that it has will not do."""
    return problem["type"] == "too_short" and len(problem["input"]) > 0


def _key(location: tuple[Any, ...]) -> str:
    # pydantic marks a key that will not do, against the value that it has.
    parts = location[:-1] if location and location[-1] == "[key]" else location
    return ".".join(text if (text := str(part)).isprintable() else repr(text) for part in parts)


_WORDS = {
    "int": "should be a whole number",
    "float": "should be a number",
    "finite": "should be a finite number",
    "bool": "should be true or false",
    "string": "should be a text",
    "tuple": "should be a list",
    "dict": "should be a table",
    "model": "should be a table",
}
"""What TOML calls it, by how pydantic's type of a problem begins."""


def _words(problem: Any) -> str:
    kind = str(problem["type"])
    if kind == "too_short":
        return "should have an item"
    if kind == "string_too_long":
        return f"should have at most {problem['ctx']['max_length']} characters"
    message = re.sub(r"^Input should", "should", problem["msg"])
    return _WORDS.get(kind.partition("_")[0], message)


def _field_at(location: tuple[Any, ...]) -> tuple[type[BaseModel], str]:
    """The model that a validation problem is in, and what its field says to do."""
    model: type[BaseModel] = Stage
    advice = ""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        advice = field.description or advice
        model = next(_models_in(field.annotation), model)
    return model, advice


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _did_you_mean(word: str, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, table by table."""
    return {
        key: _merged(base[key], over[key])
        if isinstance(base.get(key), dict) and isinstance(over.get(key), dict)
        else over.get(key, base.get(key))
        for key in {**base, **over}
    }  # fmt: skip


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)
