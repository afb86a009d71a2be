"""crowd-semantic-segmentation, crowd-instance-segmentation: an image in which each color marks a label or an instance.

The pixels of two masks are not compared. The value of the field has the labels and a digest of the image, not the
image. Workers vote on the labels, and on whether the mask that was shown is modified: no two masks are drawn alike. If
the masks of the majority differ, the agreed value has only the labels, and the agreement is unknown.

Reference:
    fields: One, with the name of the element: the labels, and a digest of the image.
    same: The answer has `initialValueModified` false, or its image is the same file as that of the prediction. It is
        changed if `initialValueModified` is true, and otherwise not compared.
    prediction: The form of an answer or of an initial value: `labelMappings` or `instances`, and `src` or
        `labeledImage`. In a place for this element, any other value, such as the location of a mask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import Drawing, as_json
from lambdas.reviews.prediction import confidence_of
from lambdas.reviews.tolerant import tolerate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.rules import FieldSettings

DIGEST_LENGTH = 16
"""The number of hexadecimal digits of a digest."""


class Segmentation(Element):
    """A mask."""

    kind = "segmentation"

    labeled_image: dict[str, Any] | str | None = None
    label_mappings: dict[str, Any] | None = None
    instances: list[dict[str, Any]] | None = None
    initial_value_modified: Any = None

    @classmethod
    @override
    def parse(cls, value: Any) -> Self | None:
        found = tolerate(cls.model_validate, value).value
        parts = (found.labeled_image, found.label_mappings, found.instances) if found else ()
        return found if any(part is not None for part in parts) else None

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        return Fit.DRAWN if cls.parse(found) else None

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        masks = [answer.mask() if answer else None for answer in answers]
        shown = None if predicted is None else _predicted(predicted)
        if shown:
            masks = [mask and mask.before(shown.value) for mask in masks]
        is_known = shown is not None and all(mask is None or mask.is_modified is not None for mask in masks)
        return [Row(name, cls.kind, shown if is_known else None, masks, in_prediction=is_known)]

    def mask(self) -> Mask:
        """Returns what is compared."""
        image = self.labeled_image
        png = image.get("pngImageData") if isinstance(image, dict) else image
        modified = self.initial_value_modified
        return Mask(
            labels=_labels(self.label_mappings, self.instances),
            digest=None if png is None else _digest(png if isinstance(png, str) else as_json(png)),
            is_modified=modified if isinstance(modified, bool) else None,
        )


@dataclass(frozen=True, slots=True)
class Mask(Drawing):
    """A mask of an image.

    Attributes:
        labels: The labels, sorted; the label of each instance.
        digest: A digest of the image; None if there is none.
        source: Where the image is, for predictions.
        is_modified: Whether the worker modified the mask that was shown; None if that is unknown.
    """

    labels: tuple[str, ...]
    digest: str | None = None
    source: str | None = None
    is_modified: bool | None = None

    @property
    @override
    def vote_value(self) -> Any:
        return [self.labels, self.is_modified]

    def before(self, shown: Mask) -> Mask:
        """Returns the mask of a worker who saw another one at first. The same image is not modified."""
        if self.digest is None or self.digest != shown.digest:
            return self
        return Mask(self.labels, self.digest, is_modified=False)

    @property
    @override
    def is_agreed(self) -> bool:
        return self.digest is not None

    @override
    def is_kept(self, reviewed: Mask) -> bool:
        return reviewed.is_modified is False

    @override
    def middle(self, shapes: Sequence[Mask]) -> Mask:
        same = {shape.digest for shape in shapes} == {self.digest}
        return Mask(self.labels, self.digest if same else None, is_modified=self.is_modified)

    @override
    def to_dict(self) -> dict[str, Any]:
        found = {
            "labels": list(self.labels),
            "digest": self.digest,
            "modified": self.is_modified,
            "src": self.source,
        }
        return {key: value for key, value in found.items() if value is not None}


def _predicted(predicted: Any) -> Scored:
    found = Segmentation.parse(predicted) if isinstance(predicted, dict) else None
    if found is None:
        text = predicted if isinstance(predicted, str) else None
        return Scored(Mask((), None if text else _digest(as_json(predicted)), text))
    source = predicted.get("src")
    mask = found.mask()
    mask = Mask(mask.labels, mask.digest, source if isinstance(source, str) else None)
    return Scored(mask, confidence_of(predicted))


def _labels(mappings: dict[str, Any] | None, instances: list[dict[str, Any]] | None) -> tuple[str, ...]:
    of_instances = [instance.get("label") for instance in instances or ()]
    return tuple(sorted([*(mappings or ()), *(label for label in of_instances if isinstance(label, str))]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
