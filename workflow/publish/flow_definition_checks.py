"""What is wrong with the flow definitions that a stage hears, before a person is called about a loop.

Each warning is one line: what is wrong, what happens to a human loop, and the command that fixes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.reviews.output import REKOGNITION, TEXTRACT
from workflow.publish import flow_definition_fixes as fixes
from workflow.publish.heard import MAX_FLOW_DEFINITIONS, MAX_SECONDS, PRIVATE, Heard, bucket_of

if TYPE_CHECKING:
    from workflow.stack.stages import Stage

__all__ = ["problems_of"]

MAX_NAMED = 3
"""How many flow definitions, or stages, a warning names."""
MAX_REASON = 200
"""Characters of AWS's reason."""

_Flow = Mapping[str, Any]
_SERVICES = {TEXTRACT: "Textract", REKOGNITION: "Rekognition"}


def problems_of(stage: Stage, heard: Heard, region: str) -> list[str]:
    """Returns a warning for each problem.

    Args:
        stage: The stage.
        heard: What its human loops need, as it was read.
        region: The Region of the account that it was read from.
    """
    return [
        *_statuses(heard, region),
        *_teams(heard, region),
        *_templates(heard, region),
        *_roles(stage, heard),
        *_outputs(stage, heard, region),
        *_cors(stage, heard),
        *_settings(stage, heard),
        *_restarts(stage, heard),
        *_stages(stage, heard, region),
        *_skipped(heard),
    ]


def _statuses(heard: Heard, region: str) -> Iterator[str]:
    for flow in heard.flows:
        if flow["FlowDefinitionStatus"] == "Failed":
            reason = " ".join(str(flow.get("FailureReason") or "no reason is given").split())[:MAX_REASON]
            yield (
                f"{_of([flow])}: its status is Failed ({reason.rstrip('.')}), so each start of a human loop is "
                f"refused; create it again: {fixes.create_again(flow, region)}"
            )
        elif flow["FlowDefinitionStatus"] == "Deleting":
            yield f"{_of([flow])}: it is being deleted, so each start of a human loop is refused"


def _teams(heard: Heard, region: str) -> Iterator[str]:
    for arn, flows in _by(heard.flows, lambda flow: _config(flow, "WorkteamArn")).items():
        name = _name(arn)
        if "/public-crowd/" in arn:
            private = next((one for one, team in heard.teams.items() if team), _placeholder(arn))
            for flow in flows:
                yield (
                    f"{_of([flow])}: its work team is the public one of Amazon Mechanical Turk, which closed on "
                    "30 September 2026, so nobody answers and each human loop expires; create it again with a private "
                    f"work team: {fixes.create_again(flow, region, team=private)}"
                )
        elif arn in heard.teams and heard.teams[arn] is None:
            yield (
                f"{_of(flows)}: the work team {name} does not exist, so nobody can answer a human loop; create it "
                f"again: {fixes.create_team(arn, heard.workforce, region)}"
            )
        elif not heard.workers.get(arn, True):
            team = heard.teams[arn] or {}
            yield (
                f"{_of(flows)}: nobody is in the work team {name}, so each human loop waits until it expires; add "
                f"people: {fixes.add_worker(team, region)}"
            )


def _templates(heard: Heard, region: str) -> Iterator[str]:
    for arn, flows in _by(heard.flows, lambda flow: _config(flow, "HumanTaskUiArn")).items():
        if arn in heard.templates and heard.templates[arn] is None:
            yield (
                f"{_of(flows)}: the worker task template {_name(arn)} does not exist, so workers have no page for a "
                f"human loop; create it again: {fixes.create_template(arn, region)}"
            )


def _roles(stage: Stage, heard: Heard) -> Iterator[str]:
    for arn, flows in _by(heard.flows, lambda flow: str(flow["RoleArn"])).items():
        if arn not in heard.roles:
            continue
        role = heard.roles[arn]
        if role is None:
            yield (
                f"{_of(flows)}: the role {_name(arn)} does not exist, so A2I can neither show what a human loop is "
                "about nor store its answers; create it again: "
                f"{fixes.create_role(arn, stage.document_buckets, flows)}"
            )
        elif not _trusts_sagemaker(role):
            yield (
                f"{_of(flows)}: the role {_name(arn)} does not trust sagemaker.amazonaws.com, so A2I can neither show "
                f"what a human loop is about nor store its answers; allow it: {fixes.trust_sagemaker(role)}"
            )


def _outputs(stage: Stage, heard: Heard, region: str) -> Iterator[str]:
    for bucket, flows in _by(heard.flows, bucket_of).items():
        if bucket not in stage.output_buckets:
            yield (
                f"{_of(flows)}: the output bucket {bucket} is not in output_buckets, so Afterloop cannot read a "
                "review and each completed human loop is escalated; add it to output_buckets of the stage, and run "
                f"`{_publish(stage)}`"
            )
        if bucket not in heard.regions:
            continue
        found = heard.regions[bucket]
        if found is None:
            yield (
                f"{_of(flows)}: the output bucket {bucket} does not exist, so A2I cannot store the answers to a human "
                f"loop; create it: {fixes.create_bucket(bucket, region)}"
            )
        elif found != region:
            there = f"{bucket}-{region}"
            for flow in flows:
                path = str(flow["OutputConfig"]["S3OutputPath"]).replace(bucket, there, 1)
                yield (
                    f"{_of([flow])}: the output bucket {bucket} is in {found}, and A2I writes only to buckets in "
                    f"{region}, so the answers to a human loop are lost; create a bucket there, and the flow "
                    f"definition again: {fixes.create_bucket(there, region)} && "
                    f"{fixes.create_again(flow, region, output=path)}"
                )


def _cors(stage: Stage, heard: Heard) -> Iterator[str]:
    if not heard.flows:
        return
    for bucket in stage.document_buckets:
        rules = heard.cors.get(bucket, [fixes.CORS_RULE])
        if rules is None:
            yield f"document_buckets: the bucket {bucket} does not exist, so no human loop about its objects can start"
        elif not any(_lets_browsers_read(rule) for rule in rules):
            yield (
                f"document_buckets: the bucket {bucket} has no CORS rule that lets browsers GET its images, so workers "
                f"do not see them and their tasks fail; add it: {fixes.allow_browsers(bucket, rules)}"
            )


def _settings(stage: Stage, heard: Heard) -> Iterator[str]:
    for flow in heard.flows:
        name, service = str(flow["FlowDefinitionName"]), _SERVICES.get(_source(flow))
        own = stage.flow_definition_settings.get(name)
        if service and name in stage.predictions:
            yield (
                f"predictions: {_of([flow])} is for {service}, whose predictions Afterloop knows, so the setting has "
                f"no effect on its reviews; remove it, and run `{_publish(stage)}`"
            )
        if service == "Rekognition" and own and own.fields:
            yield (
                f"flow_definition_settings.{name}.fields: {_of([flow])} is for Rekognition, whose reviews are sets of "
                f"labels, so the settings have no effect on them; remove them, and run `{_publish(stage)}`"
            )


def _restarts(stage: Stage, heard: Heard) -> Iterator[str]:
    """A loop of one task type cannot be started again with a flow definition of another."""
    rules = stage.restart_settings()
    sources = {str(flow["FlowDefinitionName"]): _source(flow) for flow in heard.flows}
    others: defaultdict[str, list[_Flow]] = defaultdict(list)
    for flow in heard.flows:
        own = rules.flow_definitions.get(str(flow["FlowDefinitionName"]), rules)
        target = (own.expired_to or "").rpartition("/")[2]
        if target in sources and sources[target] != _source(flow):
            others[target].append(flow)
    for target, flows in others.items():
        yield (
            f"restart.expired_to: {target!r} is for {_task(sources[target])}, and {_of(flows)} for other tasks, so an "
            "expired human loop of the latter is escalated instead of restarted; set expired_to in "
            f"flow_definition_settings.FLOW.restart, and run `{_publish(stage)}`"
        )


def _stages(stage: Stage, heard: Heard, region: str) -> Iterator[str]:
    for other, arns in heard.stages.items():
        both = [flow for flow in heard.flows if arns is None or flow["FlowDefinitionArn"] in arns]
        if both:
            yield (
                f"the stage {other} in {region} also hears {_of(both)}, so both run the workflow for each human loop: "
                "people get each message twice, and your steps run twice; name the flow definitions of each stage in "
                f"flow_definitions, and run `{_publish(stage)}` and `python deploy.py publish --stage {other}`"
            )


def _skipped(heard: Heard) -> Iterator[str]:
    why = [
        text
        for actions, text in (
            (heard.denied, f"the credentials may not use {', '.join(heard.denied)}"),
            (heard.failed, f"AWS did not answer {', '.join(heard.failed)}"),
        )
        if actions
    ]
    if heard.left and not why:
        why = [
            f"a plan looks at {MAX_FLOW_DEFINITIONS} flow definitions, for {MAX_SECONDS:.0f} seconds at most"
        ]
    if why:
        left = f" {heard.left} flow definitions were not looked at." if heard.left else ""
        yield f"Some checks of flow definitions were skipped: {'; '.join(why)}.{left}".removesuffix(".")


def _trusts_sagemaker(role: Mapping[str, Any]) -> bool:
    """Whether a trust policy lets SageMaker assume the role. Conditions are not evaluated: they count as met."""
    document = role.get("AssumeRolePolicyDocument") or {}
    statements = document.get("Statement", [])
    return any(
        statement.get("Effect") == "Allow"
        and "sagemaker.amazonaws.com" in _services(statement.get("Principal"))
        and {"sts:AssumeRole", "sts:*", "*"} & set(_listed(statement.get("Action")))
        for statement in _listed(statements)
    )


def _services(principal: Any) -> list[Any]:
    return _listed(principal.get("Service")) if isinstance(principal, Mapping) else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _lets_browsers_read(rule: Mapping[str, Any]) -> bool:
    """Whether a CORS rule is for the pages of workers: AWS asks for all origins; a narrower one may name its own."""
    return "GET" in rule.get("AllowedMethods", ()) and any(
        origin in ("*", "https://*") or "sagemaker.aws" in origin for origin in rule.get("AllowedOrigins", ())
    )


def _source(flow: _Flow) -> str:
    return str(flow.get("HumanLoopRequestSource", {}).get("AwsManagedHumanLoopRequestSource") or "")


def _task(source: str) -> str:
    return _SERVICES.get(source, "custom tasks")


def _config(flow: _Flow, key: str) -> str:
    return str(flow.get("HumanLoopConfig", {}).get(key) or "")


def _by(flows: Iterable[_Flow], key: Any) -> dict[str, list[_Flow]]:
    """Flow definitions by what they share, so that each problem is reported once. Those being deleted need nothing."""
    found: defaultdict[str, list[_Flow]] = defaultdict(list)
    for flow in flows:
        if flow["FlowDefinitionStatus"] != "Deleting":
            found[key(flow)].append(flow)
    return found


def _of(flows: Sequence[_Flow]) -> str:
    """The flow definitions in words."""
    names = [repr(str(flow["FlowDefinitionName"])) for flow in flows]
    if len(names) == 1:
        return f"flow definition {names[0]}"
    more = len(names) - MAX_NAMED
    return f"flow definitions {', '.join(names[:MAX_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _publish(stage: Stage) -> str:
    return f"python deploy.py publish --stage {stage.name}"


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _placeholder(public: str) -> str:
    """The ARN of a private work team in the Region of the public one."""
    parts = public.split(":")
    return ":".join([*parts[:4], "ACCOUNT", f"workteam/{PRIVATE}/TEAM"])
