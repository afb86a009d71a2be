"""Writes a label attribute in the format of SageMaker Ground Truth for its type.

Image and text classification with one or several labels, object detection, and text spans. Other types become
"groundtruth/custom", with a list of names and values.

Source: "Labeling job output data", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow.operations.manifest.attributes import Attribute

CHANNELS = 3
"""The depth of an image. Answers do not have it, and the object detection algorithm supports only 3 channels."""

SPAN_KEYS = ("label", "startOffset", "endOffset")


def ground_truth_type(attribute: Attribute, *, is_text: bool) -> str:
    """Returns the attribute's type, as Ground Truth names it in the metadata."""
    what = "text" if is_text else "image"
    return (
        "groundtruth/"
        + {
            "classification": f"{what}-classification",
            "multilabel": f"{what}-classification-multilabel",
            "boxes": "object-detection",
            "spans": "text-span",
            "custom": "custom",
        }[attribute.type]
    )


def ground_truth_value(attribute: Attribute, classes: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """Returns an attribute's value, and the metadata of its type.

    Args:
        attribute: The attribute, which is not missing.
        classes: The labels of the attribute in the whole manifest, in the order of their IDs.
    """
    ids = {label: index for index, label in enumerate(classes)}
    items = attribute.items
    class_map = {str(ids[label]): label for label in classes if label in attribute.labels}
    match attribute.type:
        case "classification":
            (item,) = items
            return str(ids[str(item.label)]), {"class-name": item.label, "confidence": item.confidence}
        case "multilabel":
            return [ids[str(item.label)] for item in items], {
                "class-map": class_map,
                "confidence-map": {str(ids[str(item.label)]): item.confidence for item in items},
            }
        case "boxes":
            assert attribute.image_size is not None, "boxes without it are missing in their line"
            width, height = attribute.image_size
            return {
                "image_size": [{"width": width, "height": height, "depth": CHANNELS}],
                "annotations": [
                    {"class_id": ids[str(item.label)]} | _in_pixels(item.value) for item in items
                ],
            }, {"class-map": class_map, "objects": [{"confidence": item.confidence} for item in items]}
        case "spans":
            return {
                "annotations": {
                    "entities": [{key: item.value[key] for key in SPAN_KEYS} for item in items],
                    "labels": [{"label": label} for label in classes],
                }
            }, {"entities": [{"confidence": item.confidence} for item in items]}
        case "custom":
            return [{"name": item.name, "value": item.value} for item in items], {
                "confidence": min((item.confidence for item in items), default=0.0)
            }


def _in_pixels(box: dict[str, Any]) -> dict[str, int]:
    """Returns a box in whole pixels, at least one wide and high.

    The middle of two workers' boxes can be between pixels, and SageMaker's boxes are in whole pixels.
    """
    left, top = round(box["left"]), round(box["top"])
    right, bottom = round(box["left"] + box["width"]), round(box["top"] + box["height"])
    return {"left": left, "top": top, "width": max(right - left, 1), "height": max(bottom - top, 1)}
