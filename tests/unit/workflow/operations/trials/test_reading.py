"""The input and the mock of a trial are JSON, and mistakes in them are one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from workflow.errors import AfterloopError
from workflow.operations.trials import Mock, read_input, read_mock


def file(folder: Path, content: bytes) -> str:
    (folder / "given.json").write_bytes(content)
    return str(folder / "given.json")


def test_input_comes_from_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_input(file(tmp_path, b'{"a": [1, null]}')) == {"a": [1, None]}
    monkeypatch.setattr("sys.stdin", io.StringIO('"\u00e9"'))
    assert read_input("-") == "\u00e9"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": ', "is not JSON: line 1, column 7: Expecting value"),
        (b"[NaN]", "is not JSON: NaN is no number of JSON"),
        (b"\xff", "is not JSON: 'utf-8' codec"),
        (b"[" * 200_000, "is not JSON: it is nested too deeply"),
        (b'"' + b"x" * 262_143 + b'"', "has 262,145 bytes; Step Functions takes at most 262,144"),
    ],
)
def test_invalid_input_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(AfterloopError) as raised:
        read_input(file(tmp_path, content))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_file_is_named() -> None:
    with pytest.raises(
        AfterloopError, match=r"--input: cannot read nowhere\.json: No such file or directory"
    ):
        read_input("nowhere.json")
    with pytest.raises(AfterloopError, match="--input: name a file, or - for standard input"):
        read_input("")


@pytest.mark.parametrize(
    ("content", "mock"),
    [
        (b'{"result": null}', Mock()),
        (b'{"result": {"a": 1}}', Mock({"a": 1})),
        (b'{"error": "E"}', Mock(None, "E")),
        (b'{"error": "E", "cause": "c"}', Mock(None, "E", "c")),
    ],
)
def test_mock_has_a_result_or_an_error(content: bytes, mock: Mock, tmp_path: Path) -> None:
    assert read_mock(file(tmp_path, content)) == mock


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b'{"MessageId": "1"}', b'{"result": 1, "error": "E"}', b'{"result": 1, "cause": "c"}',
     b'{"error": ""}', b'{"error": 1}', b'{"error": "E", "cause": 1}', b'{"errorOutput": {"error": "E"}}'],
)  # fmt: skip
def test_mock_of_another_form_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(
        AfterloopError, match=r'write \{"result": …\}, or \{"error": "Name", "cause": "text"\}'
    ):
        read_mock(file(tmp_path, content))


def test_mock_names_its_file(tmp_path: Path) -> None:
    path: Any = file(tmp_path, b"{}")
    with pytest.raises(AfterloopError, match=f"--mock {path} is not a mock"):
        read_mock(path)
