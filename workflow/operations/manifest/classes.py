"""Gives the labels of each attribute their IDs.

The IDs of an attribute start with 0 and have no gaps, as built-in algorithms require: "The class indices should be
numbered successively and the numbering should start with 0" (Object Detection, Amazon SageMaker Developer Guide).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.errors import AfterloopError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set


def classes_by_attribute(found: Mapping[str, Set[str]], given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Returns the labels of each attribute, in the order of their IDs.

    Args:
        found: The labels of each attribute that has classes.
        given: The labels with the first IDs, as ``ATTRIBUTE=LABEL`` or, if only one attribute has classes, ``LABEL``.
            Other labels follow, sorted.

    Raises:
        AfterloopError: A given label is not for one of the attributes, or is given twice.
    """
    first: dict[str, list[str]] = {name: [] for name in found}
    for text in given:
        name, label = _attribute_and_label(text, found)
        if label in first[name]:
            raise AfterloopError(f"--label {text}: given twice; a label has one ID")
        first[name].append(label)
    return {name: (*first[name], *sorted(labels - set(first[name]))) for name, labels in found.items()}


def _attribute_and_label(text: str, found: Mapping[str, Set[str]]) -> tuple[str, str]:
    prefix, equals, label = text.partition("=")
    if equals and prefix in found:
        return prefix, label
    if not found:
        raise AfterloopError(f"--label {text}: no attribute of these reviews has classes; omit --label")
    names = ", ".join(sorted(found))
    if len(found) > 1:
        raise AfterloopError(
            f"--label {text}: does not say for which attribute; write ATTRIBUTE=LABEL, with one of {names}"
        )
    (only,) = found
    # Probably a misspelled attribute: as a label, it would move the IDs of the others.
    if equals and text not in found[only]:
        raise AfterloopError(
            f"--label {text}: no attribute {prefix!r}, only {names}; if this is a label, write {only}={text}"
        )
    return only, text
