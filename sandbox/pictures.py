"""Pictures of the samples: a scanned form, a beach, animals. They are drawn when they are needed.

A form is drawn from Textract's response, each word in its place. What the document really says can differ from what
Textract read: only then is there something to correct.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

__all__ = ["ANIMALS_SIZE", "PAGE", "animals", "beach", "blank", "dog", "form_page"]

Color = tuple[int, int, int]

PAGE = (850, 1100)
"""A page of 8.5 by 11 inches, with 100 pixels per inch."""
BEACH_SIZE = (720, 480)
ANIMALS_SIZE = (800, 533)

_PAPER: Color = (252, 251, 247)
_PRINT: Color = (38, 38, 44)
_INK: Color = (24, 50, 128)
_RULE: Color = (176, 176, 170)


def form_page(prediction: Mapping[str, Any], actual: Mapping[str, str | bool]) -> bytes:
    """Returns a page with the lines and check boxes of a response of AnalyzeDocument, as PNG.

    Args:
        prediction: The response of AnalyzeDocument.
        actual: Key of the form → what the page really says there, if Textract read something else.
    """
    from sandbox.activation import FormPrediction

    page = FormPrediction(prediction["Blocks"])
    image, draw = _canvas(PAGE, _PAPER)
    words = [block for block in page.blocks if block["BlockType"] == "WORD"]
    boxes = {block["Id"]: block for block in page.blocks if block["BlockType"] == "SELECTION_ELEMENT"}
    states: dict[str, bool] = {}
    misread: set[str] = set()
    for key, text in page.keys.items():
        for value in page.related(page.block(key), "VALUE"):
            parts = page.related(value, "CHILD")
            real = actual.get(text)
            if isinstance(real, bool):
                states |= {part["Id"]: real for part in parts if part["Id"] in boxes}
            if not any(part["Id"] in boxes for part in parts):
                _underline(draw, value)
            if isinstance(real, str) and parts:
                misread |= {part["Id"] for part in parts}
                _write(image, real, _area(parts), _is_handwritten(parts[0]))
    for block in words:
        if block["Id"] not in misread:
            _write(image, block["Text"], _area([block]), _is_handwritten(block))
    for block in boxes.values():
        _check_box(draw, block, states.get(block["Id"], block["SelectionStatus"] == "SELECTED"))
    return _png(image)


@functools.cache
def beach() -> bytes:
    """Returns a picture of a person in swimwear with a glass of lemonade, as PNG."""
    image, draw = _canvas(BEACH_SIZE, (150, 208, 240))
    draw.ellipse((560, 40, 640, 120), fill=(255, 224, 92))
    draw.rectangle((0, 210, 720, 320), fill=(32, 130, 170))
    for row in range(3):
        for column in range(12):
            left = column * 64 + row * 20
            draw.arc(
                (left, 232 + row * 28, left + 40, 246 + row * 28), 180, 360, fill=(190, 226, 238), width=3
            )
    draw.rectangle((0, 320, 720, 480), fill=(236, 212, 150))
    # A parasol.
    draw.line((132, 130, 170, 430), fill=(110, 80, 50), width=7)
    draw.pieslice((20, 50, 250, 240), 172, 352, fill=(214, 64, 58))
    draw.pieslice((75, 50, 190, 240), 172, 352, fill=(248, 240, 226))
    # A person, seen from the front.
    skin, suit, hair = (214, 158, 118), (36, 92, 160), (70, 44, 30)
    draw.rounded_rectangle((330, 330, 356, 446), 12, fill=skin)
    draw.rounded_rectangle((374, 330, 400, 446), 12, fill=skin)
    draw.rounded_rectangle((328, 190, 402, 346), 28, fill=suit)
    draw.line((338, 214, 284, 292), fill=skin, width=20)
    draw.line((392, 214, 448, 262), fill=skin, width=20)
    draw.rectangle((354, 168, 376, 204), fill=skin)
    draw.ellipse((334, 100, 396, 180), fill=skin)
    draw.pieslice((328, 92, 402, 172), 180, 360, fill=hair)
    draw.ellipse((350, 134, 356, 140), fill=_PRINT)
    draw.ellipse((374, 134, 380, 140), fill=_PRINT)
    draw.arc((352, 144, 378, 166), 20, 160, fill=(150, 60, 50), width=3)
    # The glass: what the model takes for alcohol.
    draw.polygon(
        [(440, 212), (486, 212), (478, 278), (448, 278)], fill=(252, 240, 150), outline=(120, 120, 90)
    )
    draw.ellipse((470, 200, 498, 228), fill=(250, 222, 70), outline=(190, 160, 30), width=3)
    draw.line((462, 190, 456, 262), fill=(220, 60, 80), width=4)
    _label(draw, (520, 236), "Lemonade", 22)
    draw.line((490, 248, 516, 248), fill=_PRINT, width=2)
    return _png(image)


@functools.cache
def animals() -> bytes:
    """Returns a picture of two dogs and a cat on a meadow, as PNG."""
    image, draw = _canvas(ANIMALS_SIZE, (188, 222, 244))
    draw.ellipse((-220, 210, 560, 700), fill=(126, 178, 96))
    draw.ellipse((300, 240, 1100, 760), fill=(110, 164, 86))
    draw.rectangle((0, 380, 800, 533), fill=(112, 168, 84))
    for left, top in ((60, 440), (250, 500), (420, 470), (560, 505), (730, 450), (330, 420), (640, 420)):
        for blade in range(3):
            draw.line(
                (left + blade * 7, top, left + blade * 7 - 4 + blade * 4, top - 16),
                fill=(74, 128, 58),
                width=3,
            )
    _dog(draw, 90, 232, 1.0, (142, 96, 60))
    _cat(draw, 415, 318, 0.9, (94, 94, 104))
    _dog(draw, 590, 300, 0.72, (220, 196, 150))
    return _png(image)


@functools.cache
def dog() -> bytes:
    """Returns a picture of one dog, as PNG."""
    image, draw = _canvas((480, 360), (206, 228, 240))
    draw.rectangle((0, 250, 480, 360), fill=(150, 186, 116))
    _dog(draw, 110, 108, 1.1, (172, 122, 74))
    return _png(image)


@functools.cache
def blank() -> bytes:
    """Returns the smallest picture, a white pixel, as PNG."""
    return _png(_canvas((1, 1), (255, 255, 255))[0])


# Animals: `left` and `top` of the picture of the animal, and its size; at size 1 it is about 230 pixels wide.


def _dog(draw: ImageDraw.ImageDraw, left: float, top: float, size: float, fur: Color) -> None:
    at = _scaled(left, top, size)
    dark = _darker(fur)
    draw.line(at(20, 92, 0, 40), fill=fur, width=round(14 * size))  # the tail
    for leg in (34, 62, 128, 154):
        draw.rounded_rectangle(at(leg, 110, leg + 18, 182), 8 * size, fill=dark if leg in (62, 154) else fur)
    draw.rounded_rectangle(at(14, 66, 182, 136), 34 * size, fill=fur)
    draw.polygon(at(140, 84, 178, 20, 206, 60, 182, 112), fill=fur)
    draw.rounded_rectangle(at(156, 10, 218, 68), 24 * size, fill=fur)
    draw.rounded_rectangle(at(194, 34, 240, 66), 14 * size, fill=fur)  # the snout
    draw.ellipse(at(228, 34, 242, 48), fill=_PRINT)
    draw.rounded_rectangle(at(158, 14, 178, 72), 10 * size, fill=dark)  # an ear that hangs down
    draw.ellipse(at(190, 26, 200, 36), fill=_PRINT)
    draw.line(at(170, 78, 204, 82), fill=(200, 40, 50), width=round(8 * size))  # the collar


def _cat(draw: ImageDraw.ImageDraw, left: float, top: float, size: float, fur: Color) -> None:
    at = _scaled(left, top, size)
    dark = _darker(fur)
    draw.arc(at(86, 40, 150, 150), 250, 90, fill=fur, width=round(12 * size))  # the tail
    draw.ellipse(at(20, 56, 110, 158), fill=fur)
    draw.ellipse(at(24, 8, 92, 74), fill=fur)
    draw.polygon(at(28, 30, 30, -8, 56, 14), fill=fur)  # pointed ears
    draw.polygon(at(64, 14, 88, -8, 90, 32), fill=fur)
    for eye in (42, 66):
        draw.ellipse(at(eye, 30, eye + 10, 42), fill=(206, 220, 90))
        draw.ellipse(at(eye + 3, 31, eye + 7, 41), fill=_PRINT)
    draw.polygon(at(54, 48, 64, 48, 59, 54), fill=(220, 130, 130))
    for whisker in (-5, 0, 5):
        draw.line(at(52, 54, 22, 52 + whisker), fill=dark, width=2)
        draw.line(at(66, 54, 96, 52 + whisker), fill=dark, width=2)
    for paw in (36, 70):
        draw.ellipse(at(paw, 140, paw + 24, 160), fill=dark)


def _scaled(left: float, top: float, size: float) -> Callable[..., list[float]]:
    def at(*numbers: float) -> list[float]:
        return [(top if index % 2 else left) + size * number for index, number in enumerate(numbers)]

    return at


def _darker(color: Color) -> Color:
    red, green, blue = (round(part * 0.72) for part in color)
    return red, green, blue


# Parts of a form.


def _area(blocks: list[Mapping[str, Any]]) -> tuple[float, float, float, float]:
    """Returns the box around blocks, in pixels: left, top, right, bottom."""
    boxes = [block["Geometry"]["BoundingBox"] for block in blocks]
    return (
        min(box["Left"] for box in boxes) * PAGE[0],
        min(box["Top"] for box in boxes) * PAGE[1],
        max(box["Left"] + box["Width"] for box in boxes) * PAGE[0],
        max(box["Top"] + box["Height"] for box in boxes) * PAGE[1],
    )


def _is_handwritten(block: Mapping[str, Any]) -> bool:
    return bool(block.get("TextType") == "HANDWRITING")


def _write(
    image: Image.Image, text: str, area: tuple[float, float, float, float], is_handwritten: bool
) -> None:
    """Writes a text into a box, as large as it fits."""
    from PIL import Image, ImageDraw, ImageFont

    left, top, right, bottom = (round(side) for side in area)
    width, height = max(right - left, 4), max(bottom - top, 4)
    font = ImageFont.load_default(height * 0.8)
    line = max(round(font.getlength(text)), 1)
    layer = Image.new("RGBA", (line + height, height * 2), (0, 0, 0, 0))
    ImageDraw.Draw(layer).text(
        (height // 3, height // 2), text, fill=_INK if is_handwritten else _PRINT, font=font
    )
    if is_handwritten:  # slanted, as handwriting is
        slant = 0.22
        layer = layer.transform(layer.size, Image.Transform.AFFINE, (1, slant, -slant * height, 0, 1, 0))
    if line > width:
        layer = layer.resize((max(round(layer.width * width / line), 1), layer.height))
    image.paste(layer, (left - height // 3, top - height // 2), layer)


def _underline(draw: ImageDraw.ImageDraw, value: Mapping[str, Any]) -> None:
    left, _, right, bottom = _area([value])
    draw.line((left, bottom + 4, max(right, left + 300), bottom + 4), fill=_RULE, width=2)


def _check_box(draw: ImageDraw.ImageDraw, block: Mapping[str, Any], is_checked: bool) -> None:
    left, top, right, bottom = _area([block])
    draw.rectangle((left, top, right, bottom), outline=_PRINT, width=3)
    if is_checked:
        draw.line((left + 5, top + 5, right - 4, bottom - 5), fill=_INK, width=4)
        draw.line((right - 4, top + 4, left + 5, bottom - 4), fill=_INK, width=4)


def _label(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: float) -> None:
    from PIL import ImageFont

    draw.text(at, text, fill=_PRINT, font=ImageFont.load_default(size))


def _canvas(size: tuple[int, int], color: Color) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", size, color)
    return image, ImageDraw.Draw(image)


def _png(image: Image.Image) -> bytes:
    """Returns the image as PNG. 64 colors are enough for a drawing, and make the file small."""
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()
