from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import HOW_TO_LOCK, JMESPATH, build
from tests.wheels import wheel
from workflow.errors import WorkflowError
from workflow.stack import imports
from workflow.stack.bundles import function


def test_bundle_has_the_imports_and_dependencies_of_its_function(project: Path) -> None:
    bundle = build(project, "ask")

    names = zipfile.ZipFile(bundle.path).namelist()
    assert [name for name in names if name.endswith(".py")] == [
        "lambdas/__init__.py",
        "lambdas/ask.py",
        "lambdas/shared.py",
    ]
    assert any(name.startswith("jmespath/") for name in names)
    assert bundle.sources == ("lambdas/__init__.py", "lambdas/ask.py", "lambdas/shared.py")
    assert bundle.key == f"bundles/{bundle.digest}.zip"


def test_function_runs_from_its_bundle_alone(project: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(project, "ask").path) as archive:
        archive.extractall(tmp_path / "task")

    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv[1])\n"
         "import jmespath; from lambdas.ask import handler; print(jmespath.__file__, handler({}, None))",
         str(tmp_path / "task")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert run.stdout.startswith(str(tmp_path / "task/jmespath"))
    assert run.stdout.endswith("why\n")


def test_same_input_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(project, tmp_path / "elsewhere")
    for file in elsewhere.rglob("*.py"):
        file.touch()
        file.chmod(0o600)

    one, other = build(project, "ask"), build(elsewhere, "ask")

    assert one.key == other.key
    assert hashlib.sha256(one.path.read_bytes()).digest() == hashlib.sha256(other.path.read_bytes()).digest()


def test_changed_file_changes_only_bundles_that_have_it(project: Path) -> None:
    before = build(project, "ask", "notify")
    (project / "lambdas/shared.py").write_text('word = "because"\n')
    after = build(project, "ask", "notify")

    assert before["Ask"].key != after["Ask"].key
    assert before["Notify"].key == after["Notify"].key


def test_bundle_changes_with_a_dependency_but_not_with_a_comment(project: Path) -> None:
    lock = project / "requirements/lambdas.txt"
    before = build(project, "notify").key

    lock.write_text(f"{JMESPATH}    # via nothing\n# more\n")
    assert build(project, "notify").key == before
    lock.write_text(JMESPATH.replace("0" * 64, "1" * 64))
    assert build(project, "notify").key != before


def test_cached_bundle_is_not_built_again(project: Path) -> None:
    bundle = build(project, "ask").path
    zips = {path: path.stat().st_mtime_ns for path in (project / ".build").glob("*.zip")}

    assert build(project, "ask").path == bundle
    assert {path: path.stat().st_mtime_ns for path in (project / ".build").glob("*.zip")} == zips


def test_cache_keeps_a_limited_number_of_bundles(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.stack.bundles.KEPT_BUNDLES", 2)
    monkeypatch.setattr("workflow.stack.bundles.KEPT_DEPENDENCIES", 1)
    for number in range(5):
        (project / "lambdas/shared.py").write_text(f"word = {number}\n")
        (project / "requirements/lambdas.txt").write_text(JMESPATH.replace("0" * 64, f"{number}" * 64))
        newest = build(project, "ask").path
    dependencies = set((project / ".build").glob("dependencies-*.zip"))
    bundles = set((project / ".build").glob("*.zip")) - dependencies
    assert (len(bundles), len(dependencies)) == (3, 2)
    assert newest in bundles


def test_changed_imports_change_the_files_of_a_bundle(project: Path) -> None:
    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py", "lambdas/shared.py")
    (project / "lambdas/ask.py").write_text("def handler(*_): ...\n")
    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py")


def test_only_changed_files_are_parsed_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(project, "ask")
    parsed: list[str] = []
    parse = imports._named
    monkeypatch.setattr(imports, "_named", lambda where, text: parsed.append(where) or parse(where, text))
    (project / "lambdas/shared.py").write_text("word = 2\n")

    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py", "lambdas/shared.py")
    assert parsed == ["lambdas/shared.py"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"of": 1}', "null"])
def test_unreadable_cache_of_imports_is_replaced(project: Path, content: str) -> None:
    kept = project / ".build/imports.json"
    sources = build(project, "ask").sources
    valid = json.loads(kept.read_text())
    kept.write_text(content)
    assert build(project, "ask").sources == sources
    kept.write_text(json.dumps({key: [[["a"]], 1] for key in valid}))
    assert build(project, "ask").sources == sources
    assert json.loads(kept.read_text()) == valid


def test_folder_is_a_function_with_its_data_and_dependencies(project: Path, shelf: Path) -> None:
    folder = project / "lambdas/translate"
    folder.mkdir()
    (folder / "handler.py").write_text("from .words import one\n\ndef handler(event, context): ...\n")
    (folder / "words.py").write_text("from . import more as one\n")
    (folder / "more.py").write_text("")
    (folder / "table.csv").write_text("a,b\n")
    (folder / "requirements.txt").write_text(f"tiny==1.0 {wheel(shelf)}\n")

    translate = function("translate", project)
    bundle = build(project, "translate")

    assert (translate.name, translate.handler) == ("Translate", "lambdas.translate.handler.handler")
    assert translate.requirements == folder / "requirements.txt"
    names = zipfile.ZipFile(bundle.path).namelist()
    assert {"lambdas/translate/table.csv", "lambdas/translate/words.py", "lambdas/translate/more.py"} <= set(
        names
    )
    assert "lambdas/translate/requirements.txt" not in names
    assert "tiny/__init__.py" in names
    assert any(name.startswith("jmespath/") for name in names)


def test_bundle_has_modules_that_a_string_names(project: Path) -> None:
    (project / "lambdas/notify.py").write_text(
        'import importlib\n\ndef handler(event, context):\n    importlib.import_module("lambdas.shared")\n'
    )
    assert "lambdas/shared.py" in build(project, "notify").sources


def test_import_of_a_missing_module_of_lambdas_is_refused(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("import os\nfrom lambdas.nowhere import x\n")
    with pytest.raises(WorkflowError, match=r"lambdas/shared\.py:2: module lambdas\.nowhere does not exist"):
        build(project, "ask")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import os\nimport pandas.io as p\n", 2),
        ("from pandas import DataFrame\n", 1),
        ("class A:\n    import pandas\n", 2),
        ("from lambdas import shared\nimport pandas\nimport pandas\n", 2),
    ],
)
def test_import_that_nothing_provides_is_refused(project: Path, text: str, line: int) -> None:
    (project / "lambdas/notify.py").write_text(text + "def handler(event, context): ...\n")
    with pytest.raises(WorkflowError) as refusal:
        build(project, "notify")
    assert str(refusal.value) == (
        f"lambdas/notify.py:{line}: imports pandas, which is neither in the bundle of Notify nor in Lambda's "
        "Python: add the package that provides it to lambdas/notify.requirements.in, and "
        f"{HOW_TO_LOCK}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "def handler(event, context):\n    import pandas\n",
        "def handler(event, context):\n    return frame(event)\n\ndef frame(rows):\n    from pandas import DataFrame\n",
    ],
)
def test_import_in_what_the_handler_runs_is_refused(project: Path, text: str) -> None:
    (project / "lambdas/notify.py").write_text(text)
    with pytest.raises(WorkflowError, match=r"lambdas/notify\.py:\d: imports pandas, which is neither in"):
        build(project, "notify")


def test_import_from_the_project_names_where_it_has_to_be(project: Path) -> None:
    (project / "helper.py").write_text("")
    (project / "lambdas/notify.py").write_text("import helper\nfrom shared import word\nhandler = print\n")
    with pytest.raises(WorkflowError) as refusal:
        build(project, "notify")
    assert [line.partition("Python: ")[2] for line in str(refusal.value).splitlines()] == [
        "a function imports only from `lambdas`, so move what it needs there",
        "write `from lambdas.shared import …`",
    ]


def test_import_names_the_package_that_provides_it_under_another_name(project: Path) -> None:
    (project / "lambdas/notify.py").write_text("from PIL import Image\nhandler = print\n")
    with pytest.raises(
        WorkflowError, match=r"imports PIL, .*: add the package pillow to lambdas/notify\.req"
    ):
        build(project, "notify")


def test_all_imports_that_nothing_provides_are_reported(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("import pandas\nword = 1\n")
    (project / "lambdas/notify.py").write_text("import numpy\nfrom lambdas import shared\nhandler = print\n")
    with pytest.raises(WorkflowError) as refusal:
        build(project, "ask", "notify")
    assert [line.partition(", which")[0] for line in str(refusal.value).splitlines()] == [
        "lambdas/shared.py:1: imports pandas",
        "lambdas/notify.py:1: imports numpy",
        "lambdas/shared.py:1: imports pandas",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "from __future__ import annotations\nimport json, tomllib, xml.etree\n",
        "import boto3, botocore.config, urllib3, six\nfrom dateutil import parser\n",
        "import jmespath\nfrom jmespath import search\n",
        "try:\n    import pandas\nexcept ImportError:\n    import polars\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import pandas\n",
        "def later():\n    import pandas\n",
        "import sys\nsys.path.append('/opt/more')\nimport pandas\n",
        "from . import shared\nfrom .shared import word\n",
    ],
)
def test_available_or_optional_import_is_accepted(project: Path, text: str) -> None:
    (project / "lambdas/notify.py").write_text(text + "def handler(event, context): ...\n")
    build(project, "notify")


def test_import_from_a_function_s_own_lock_is_accepted(project: Path, shelf: Path) -> None:
    folder = project / "lambdas/translate"
    folder.mkdir()
    (folder / "handler.py").write_text("import tiny\n\ndef handler(event, context): ...\n")
    (folder / "once.py").write_text("import pandas  # A script that the handler does not import.\n")
    with pytest.raises(WorkflowError, match=r"imports tiny, .* lambdas/translate/requirements\.in"):
        build(project, "translate")
    (folder / "requirements.in").write_text("tiny\n")
    (folder / "requirements.txt").write_text(f"tiny==1.0 {wheel(shelf)}\n")
    assert "lambdas/translate/requirements.in" not in build(project, "translate").sources


def test_syntax_error_is_refused_with_file_and_line(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("a = 1\nb = (\n")
    with pytest.raises(WorkflowError, match=r"lambdas/shared\.py:2: '\(' was never closed"):
        build(project, "ask")


def test_compile_error_is_refused_with_file_and_line(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("word = 1\nreturn word\n")
    with pytest.raises(WorkflowError, match=r"lambdas/shared\.py:2: 'return' outside function"):
        build(project, "ask")
