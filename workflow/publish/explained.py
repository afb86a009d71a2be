"""Which changes in a change set follow from others, so that a plan need not show them.

CloudFormation lists every resource that refers to a changed parameter or resource, even if nothing changes in it. A
plan leaves those out only if each detail of the change says so: what CloudFormation lists for another reason is shown,
also where the templates that the plan compares are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any

__all__ = ["is_explained"]


def is_explained(
    change: Mapping[str, Any],
    *,
    parameters: Container[str],
    resources: Container[str],
    tags_change: bool = False,
) -> bool:
    """Whether all details of a change follow from changes that the plan shows, or from others that follow from those.

    Source of the details: `ResourceChangeDetail` in the API reference of CloudFormation,
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html.

    Args:
        change: The `ResourceChange` of a change set.
        parameters: The parameters of the stack that change.
        resources: The logical IDs of the resources that the change set lists.
        tags_change: Whether the tags of the stack change, which CloudFormation copies to its resources.
    """
    details: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for detail in change.get("Details", []):
        target = detail.get("Target", {})
        details[target.get("Attribute", ""), target.get("Name", "")].append(detail)
    return bool(details) and all(
        (tags_change and attribute == "Tags") or _follows(of_one, parameters, resources)
        for (attribute, _), of_one in details.items()
    )


def _follows(
    details: Sequence[Mapping[str, Any]], parameters: Container[str], resources: Container[str]
) -> bool:
    """Whether a change of one property follows from others."""
    refers_to_parameter = False
    for detail in details:
        entity = detail.get("CausingEntity", "")
        match detail.get("ChangeSource"):
            case "ParameterReference" if entity in parameters:
                refers_to_parameter = True
            case "ResourceReference" | "ResourceAttribute" if entity.partition(".")[0] in resources:
                pass
            case "DirectModification" if detail.get("Evaluation") == "Dynamic":
                # Beside a reference to a parameter, this says only that the property could also change otherwise.
                continue
            case _:
                return False
    return refers_to_parameter or all(
        detail.get("ChangeSource") != "DirectModification" for detail in details
    )
