from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from workflow.errors import BundleError, WorkflowError
from workflow.stack.bundles import Function, Target, aws, build_bundles, function, local
from workflow.stack.dependencies import read_lock
from workflow.stack.grants import GRANTS, Permission

HASH = "--hash=sha256:" + "0" * 64
JMESPATH = f"jmespath=={importlib.metadata.version('jmespath')} {HASH}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project: two functions, a module that one of them uses, one small dependency."""
    root = tmp_path / "project"
    for name, text in {
        "requirements/lambdas.txt": f"# compiled\n{JMESPATH}",
        "lambdas/__init__.py": "",
        "lambdas/ask.py": "from lambdas.shared import word\n\ndef handler(*_):\n    return word\n",
        "lambdas/tell.py": "def handler(event, context): ...\n",
        "lambdas/shared.py": 'word = "why"\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def build(root: Path, *names: str, target: Target | None = None, cache: Path | None = None):
    bundles = build_bundles(
        [function(name, root) for name in names], target or local(), root=root, cache=cache
    )
    return next(iter(bundles.values())) if len(names) == 1 else bundles


def test_a_bundle_holds_what_its_function_imports_and_its_dependencies(project: Path) -> None:
    bundle = build(project, "ask")

    names = zipfile.ZipFile(bundle.path).namelist()
    assert [name for name in names if name.endswith(".py")] == [
        "lambdas/__init__.py",
        "lambdas/ask.py",
        "lambdas/shared.py",
    ]
    assert any(name.startswith("jmespath/") for name in names)
    assert bundle.sources == ("lambdas/__init__.py", "lambdas/ask.py", "lambdas/shared.py")
    assert bundle.key == f"functions/{bundle.digest}.zip"


def test_the_function_runs_from_its_bundle_alone(project: Path, tmp_path: Path) -> None:
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


def test_the_same_input_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(project, tmp_path / "elsewhere")
    for file in elsewhere.rglob("*.py"):
        file.touch()
        file.chmod(0o600)

    one, other = build(project, "ask"), build(elsewhere, "ask")

    assert one.key == other.key
    assert hashlib.sha256(one.path.read_bytes()).digest() == hashlib.sha256(other.path.read_bytes()).digest()


def test_only_the_functions_that_use_a_file_change_with_it(project: Path) -> None:
    before = build(project, "ask", "tell")
    (project / "lambdas/shared.py").write_text('word = "because"\n')
    after = build(project, "ask", "tell")

    assert before["Ask"].key != after["Ask"].key
    assert before["Tell"].key == after["Tell"].key


def test_a_bundle_changes_with_a_dependency_and_with_the_target_not_with_a_comment(project: Path) -> None:
    lock = project / "requirements/lambdas.txt"
    before = build(project, "tell").key

    lock.write_text(f"{JMESPATH}    # via nothing\n# more\n")
    assert build(project, "tell").key == before
    lock.write_text(JMESPATH.replace("0" * 64, "1" * 64))
    assert build(project, "tell").key != before


def test_a_cached_bundle_is_not_built_again(project: Path) -> None:
    first = build(project, "ask").path
    stamp = first.stat().st_mtime_ns

    started = time.perf_counter()
    again = build(project, "ask").path

    assert (again, again.stat().st_mtime_ns) == (first, stamp)
    assert time.perf_counter() - started < 0.5


def test_the_cache_does_not_grow_for_ever(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.stack.bundles.KEPT_BUNDLES", 2)
    for number in range(5):
        (project / "lambdas/shared.py").write_text(f"word = {number}\n")
        newest = build(project, "ask").path
    bundles = [
        path for path in (project / ".build").glob("*.zip") if not path.name.startswith("dependencies")
    ]
    assert len(bundles) == 3
    assert newest in bundles
    assert list((project / ".build").glob("dependencies-*.zip"))


def test_what_is_remembered_of_imports_does_not_outlive_them(project: Path) -> None:
    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py", "lambdas/shared.py")
    (project / "lambdas/ask.py").write_text("def handler(*_): ...\n")
    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py")

    (project / ".build/imports-2.json").write_text("{ half")
    assert build(project, "ask").sources == ("lambdas/__init__.py", "lambdas/ask.py")


def test_a_folder_is_a_function_with_its_data_and_its_own_dependencies(project: Path) -> None:
    folder = project / "lambdas/translate"
    folder.mkdir()
    (folder / "handler.py").write_text("from .words import one\n\ndef handler(event, context): ...\n")
    (folder / "words.py").write_text("from . import more as one\n")
    (folder / "more.py").write_text("")
    (folder / "table.csv").write_text("a,b\n")
    typing_inspection = importlib.metadata.version("typing-inspection")
    (folder / "requirements.txt").write_text(f"typing_inspection=={typing_inspection} {HASH}\n")

    translate = function("translate", project)
    bundle = build(project, "translate")

    assert (translate.name, translate.handler) == ("Translate", "lambdas.translate.handler.handler")
    assert translate.requirements == folder / "requirements.txt"
    names = zipfile.ZipFile(bundle.path).namelist()
    assert {"lambdas/translate/table.csv", "lambdas/translate/words.py", "lambdas/translate/more.py"} <= set(
        names
    )
    assert "lambdas/translate/requirements.txt" not in names
    assert any(name.startswith("typing_inspection/") for name in names)
    assert any(name.startswith("jmespath/") for name in names)


def test_modules_named_in_a_string_come_along(project: Path) -> None:
    (project / "lambdas/tell.py").write_text(
        'import importlib\n\ndef handler(event, context):\n    importlib.import_module("lambdas.shared")\n'
    )
    assert "lambdas/shared.py" in build(project, "tell").sources


def test_an_import_of_a_module_that_is_not_there_is_told_before_it_fails_in_the_cloud(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("import os\nfrom lambdas.nowhere import x\n")
    with pytest.raises(
        WorkflowError, match=r"lambdas/shared\.py, line 2: there is no module lambdas\.nowhere"
    ):
        build(project, "ask")


OWN_LOCK = "lambdas/tell.requirements.in -o lambdas/tell.requirements.txt"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import os\nimport pandas.io as p\n", 2),
        ("from pandas import DataFrame\n", 1),
        ("class A:\n    import pandas\n", 2),
        ("from lambdas import shared\nimport pandas\nimport pandas\n", 2),
    ],
)
def test_an_import_that_nothing_provides_is_told_before_it_fails_in_the_cloud(
    project: Path, text: str, line: int
) -> None:
    (project / "lambdas/tell.py").write_text(text + "def handler(event, context): ...\n")
    with pytest.raises(WorkflowError) as refusal:
        build(project, "tell")
    assert str(refusal.value) == (
        f"lambdas/tell.py, line {line}: imports pandas, which is neither in the bundle of Tell nor in Lambda's Python: "
        "name what provides it in lambdas/tell.requirements.in, and lock that: "
        f"python -m uv pip compile --generate-hashes {OWN_LOCK}"
    )
    # What is remembered of the file says so again.
    with pytest.raises(WorkflowError, match="imports pandas"):
        build(project, "tell")


def test_all_imports_that_nothing_provides_are_told_for_each_function(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("import pandas\nword = 1\n")
    (project / "lambdas/tell.py").write_text("import numpy\nfrom lambdas import shared\nhandler = print\n")
    with pytest.raises(WorkflowError) as refusal:
        build(project, "ask", "tell")
    assert [line.partition(", which")[0] for line in str(refusal.value).splitlines()] == [
        "lambdas/shared.py, line 1: imports pandas",
        "lambdas/shared.py, line 1: imports pandas",
        "lambdas/tell.py, line 1: imports numpy",
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
def test_an_import_that_may_be_well_is_nobody_s_fault(project: Path, text: str) -> None:
    (project / "lambdas/tell.py").write_text(text + "def handler(event, context): ...\n")
    build(project, "tell")


def test_what_a_function_s_own_lock_provides_can_be_imported(project: Path) -> None:
    folder = project / "lambdas/translate"
    folder.mkdir()
    (folder / "handler.py").write_text("import typing_inspection\n\ndef handler(event, context): ...\n")
    (folder / "once.py").write_text("import pandas  # A script beside it, which it does not import.\n")
    with pytest.raises(
        WorkflowError, match=r"imports typing_inspection, .* lambdas/translate/requirements\.in"
    ):
        build(project, "translate")
    (folder / "requirements.in").write_text("typing-inspection\n")
    version = importlib.metadata.version("typing-inspection")
    (folder / "requirements.txt").write_text(f"typing-inspection=={version} {HASH}\n")
    assert "lambdas/translate/requirements.in" not in build(project, "translate").sources


@pytest.mark.parametrize(
    ("written", "lock", "told"),
    [
        ("pandas\n", None, "there is no lambdas/tell.requirements.txt beside it"),
        ("# none yet\n", None, "there is no lambdas/tell.requirements.txt beside it"),
        ("Some.Thing\nPandas[fast] >= 2 # new\n", "some-thing==1", "does not have Pandas[fast] >= 2;"),
        ("some_thing>=2\nother\n", "some-thing==1", "does not have some_thing>=2, other;"),
    ],
)
def test_requirements_that_are_not_locked_are_told(
    project: Path, written: str, lock: str | None, told: str
) -> None:
    (project / "lambdas/tell.requirements.in").write_text(written)
    if lock:
        (project / "lambdas/tell.requirements.txt").write_text(f"{lock} {HASH}\n")
    with pytest.raises(WorkflowError) as refusal:
        function("tell", project)
    assert str(refusal.value).startswith("lambdas/tell.requirements.in: ")
    assert told in str(refusal.value)
    assert str(refusal.value).endswith(f"; lock it: python -m uv pip compile --generate-hashes {OWN_LOCK}")


@pytest.mark.parametrize(
    "written",
    [
        "Some.Thing[more]>=1,<2  # why\n",
        "-r other.in\n--find-links here\n./wheel.whl\nsome_thing",
        "colorama; sys_platform == 'win32'\n",
        "some-thing\\\n  >=1",
    ],
)
def test_requirements_that_are_locked_are_taken(project: Path, written: str) -> None:
    (project / "lambdas/tell.requirements.in").write_text(written)
    (project / "lambdas/tell.requirements.txt").write_text(f"some-thing==1.2 {HASH}\n")
    assert function("tell", project).requirements


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (
            "def handler(event): ...",
            "takes 1 argument, and Lambda calls it with two: write `def handler(event, con",
        ),
        ("def handler(): ...", "takes no arguments, and"),
        ("def handler(*, event=None): ...", "takes no arguments, and"),
        ("def handler(event, context, more): ...", "takes 3 arguments, and"),
        ("def handler(a, b, c, *more): ...", "takes 3 arguments, and"),
        ("handler = lambda event: 1", "takes 1 argument, and"),
        ("def handler(event, context): ...\ndef handler(event): ...", "takes 1 argument, and"),
        (
            "def handler(event, context, *, table): ...",
            "needs 'table', and Lambda calls it with two arguments alone",
        ),
    ],
)
def test_a_handler_that_lambda_cannot_call_is_told(project: Path, handler: str, told: str) -> None:
    (project / "lambdas/ask.py").write_text(f"{handler}\n")
    line = len(handler.splitlines())
    with pytest.raises(WorkflowError) as refusal:
        function("ask", project)
    assert str(refusal.value).startswith(f"lambdas/ask.py, line {line}: `handler` {told}")


@pytest.mark.parametrize(
    "handler",
    [
        "def handler(event, context): ...",
        "def handler(event, context, /, table=None, *, more=1, **rest): ...",
        "def handler(*_): ...",
        "def handler(event, *_): ...",
        "def handler(event, context=None): ...",
        "@wrapped\ndef handler(event): ...",
        "handler = lambda event, context: 1",
        "handler = App().run",
        "handler: object = made(by=3)",
        "def handler(event): ...\nhandler = wrapped(handler)",
    ],
)
def test_a_handler_that_lambda_may_be_able_to_call_is_taken(project: Path, handler: str) -> None:
    (project / "lambdas/ask.py").write_text(f"{handler}\n")
    assert function("ask", project).handler == "lambdas.ask.handler"


def test_a_syntax_error_is_told_with_its_place(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("a = 1\nb = (\n")
    with pytest.raises(WorkflowError, match=r"lambdas/shared\.py, line 2: '\(' was never closed"):
        build(project, "ask")


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        (
            "jmespath>=1\n",
            r"lambdas\.txt: 'jmespath>=1' has no version or no hash; lock it: python -m uv pip compile",
        ),
        ("jmespath==1.1.0\n", "has no version or no hash"),
        (f"no-such-distribution==1.0 {HASH}\n", "no-such-distribution==1.0 is not installed here"),
        (f"jmespath==0.0.1 {HASH}\n", "jmespath is installed in version .*, and locked in 0.0.1"),
    ],
)
def test_a_dependency_that_cannot_be_had_is_named(project: Path, requirement: str, told: str) -> None:
    (project / "requirements/lambdas.txt").write_text(requirement)
    with pytest.raises(BundleError, match=told):
        build(project, "tell")


def test_a_dependency_for_another_platform_is_left_out(project: Path) -> None:
    marked = f'{JMESPATH}colorama==0.4.6 ; sys_platform == "win32" {HASH}\n'
    (project / "requirements/lambdas.txt").write_text(marked)
    assert not any(
        name.startswith("colorama") for name in zipfile.ZipFile(build(project, "tell").path).namelist()
    )


def test_a_later_lock_overrides_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"Some_Thing==1 \\\n    {HASH}\nother==1 {HASH}\n")
    (tmp_path / "b.txt").write_text(f"some-thing==2 {HASH}\n")
    assert read_lock(tmp_path / "a.txt", tmp_path / "b.txt") == {
        "some-thing": f"some-thing==2 {HASH}",
        "other": f"other==1 {HASH}",
    }


class Pip:
    """Stands where pip would run: the network is no part of these tests."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, error: str = "", files: dict[str, bytes] | None = None
    ):
        self.error, self.files = error, files or {}
        monkeypatch.setattr("workflow.stack.dependencies.subprocess.run", self.run)

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.command = command
        folder = Path(command[command.index("--target") + 1])
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return subprocess.CompletedProcess(command, int(bool(self.error)), "", self.error)


def test_wheels_are_fetched_for_lambda_s_machine_to_the_hash(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(
        monkeypatch,
        files={
            "jmespath/__init__.py": b"x = 1",
            "jmespath/tests/test_a.py": b"",
            "jmespath/stubs.pyi": b"",
            "jmespath-1.dist-info/RECORD": b"",
            "jmespath-1.dist-info/METADATA": b"Name: jmespath",
            "bin/jp.py": b"",
        },
    )

    bundle = build(project, "tell", target=aws("3.13", "arm64"))

    assert {
        "--require-hashes",
        "--only-binary=:all:",
        "--no-deps",
        "--platform=manylinux2014_aarch64",
    } <= set(pip.command)
    assert pip.command[pip.command.index("--python-version") + 1] == "3.13"
    assert zipfile.ZipFile(bundle.path).namelist() == [
        "jmespath-1.dist-info/METADATA",
        "jmespath/__init__.py",
        "lambdas/__init__.py",
        "lambdas/tell.py",
    ]


def test_without_pip_uv_fetches_the_wheels(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = Pip(monkeypatch)
    monkeypatch.setattr("workflow.stack.dependencies.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("workflow.stack.dependencies.shutil.which", lambda name: "/bin/uv")
    build(project, "tell", target=aws("3.13", "x86_64"))
    assert uv.command[:3] == ["/bin/uv", "pip", "install"]
    assert "--python-platform=x86_64-manylinux_2_34" in uv.command


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement jmespath==1.1.0\n"
            "ERROR: No matching distribution found for jmespath==1.1.0",
            r"jmespath==\S+ has no wheel for Python 3\.13 on arm64 Linux.* take another version",
        ),
        ("WARNING: slow\nERROR: hashes do not match", "could not be fetched: ERROR: hashes do not match"),
        ("", "could not be fetched: "),
    ],
)
def test_a_dependency_without_a_wheel_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, output: str, told: str
) -> None:
    pip = Pip(monkeypatch, error=output or " ")
    with pytest.raises(BundleError, match=told) as error:
        build(project, "tell", target=aws())
    assert pip.command
    assert "\n" not in str(error.value)
    assert not list((project / ".build").glob("*.zip"))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place where pip looks."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    return folder


def wheel(shelf: Path, platform: str) -> str:
    """Puts a wheel on the shelf; returns the option that pins it by its hash."""
    path = shelf / f"tiny-1.0-cp313-cp313-{platform}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/__init__.py", f"platform = {platform!r}")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        tag = f"Tag: cp313-cp313-{platform}"
        archive.writestr("tiny-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{tag}\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_pip_itself_takes_the_wheel_for_the_target(project: Path, shelf: Path) -> None:
    hashes = [wheel(shelf, f"manylinux_2_28_{machine}") for machine in ("aarch64", "x86_64")]
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {' '.join(hashes)}\n")

    for architecture, machine in (("arm64", "aarch64"), ("x86_64", "x86_64")):
        bundle = build(project, "tell", target=aws("3.13", architecture))
        module = zipfile.ZipFile(bundle.path).read("tiny/__init__.py").decode()
        assert module == f"platform = 'manylinux_2_28_{machine}'"


@pytest.mark.parametrize("platform", ["manylinux_2_28_x86_64", "manylinux_2_99_aarch64", "win_arm64"])
def test_pip_itself_finding_no_wheel_for_the_target_names_the_dependency(
    project: Path, shelf: Path, platform: str
) -> None:
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {wheel(shelf, platform)}\n")
    with pytest.raises(BundleError, match=r"^tiny==1\.0 has no wheel for Python 3\.13 on arm64 Linux"):
        build(project, "tell", target=aws("3.13", "arm64"))


def test_a_wheel_that_is_not_the_locked_one_is_refused(project: Path, shelf: Path) -> None:
    wheel(shelf, "manylinux_2_28_aarch64")
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {HASH}\n")
    with pytest.raises(BundleError, match=r"could not be fetched: .*DO NOT MATCH THE HASHES"):
        build(project, "tell", target=aws("3.13", "arm64"))


def test_dependencies_that_lambda_would_not_take_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.stack.dependencies.UNZIPPED_LIMIT", 1000)
    with pytest.raises(BundleError, match="Lambda takes 250 MB"):
        build(project, "tell")


def test_what_parses_and_does_not_compile_is_told_with_its_place(project: Path) -> None:
    (project / "lambdas/shared.py").write_text("word = 1\nreturn word\n")
    with pytest.raises(WorkflowError, match=r"lambdas/shared\.py, line 2: 'return' outside function"):
        build(project, "ask")


def test_a_function_says_about_itself_what_its_module_says(project: Path) -> None:
    (project / "lambdas/ask.py").write_text(
        '"""Asks.\n\nAnd more."""\n'
        'FUNCTION = {"memory": 1024, "timeout": 60, "permissions": [\n'
        '    {"actions": ["sns:Publish"], "resources": ["arn:aws:sns:*:*:a", "${LedgerTable.Arn}"]}]}\n'
        "handler = print\n"
    )
    assert function("ask", project) == Function(
        name="Ask",
        handler="lambdas.ask.handler",
        description="Asks.",
        memory=1024,
        timeout=60,
        permissions=(Permission(("sns:Publish",), ("arn:aws:sns:*:*:a", "${LedgerTable.Arn}")),),
    )


ANY = '"resources": ["*"]'


def test_a_grant_stands_for_the_permissions_of_its_name(project: Path) -> None:
    (project / "lambdas/ask.py").write_text(
        'FUNCTION = {"grants": ["start_loop"], "permissions": [{"actions": ["sns:Publish"], "resources": ["*"]}]}\n'
        "def handler(event, context): ...\n"
    )
    assert function("ask", project).permissions == (
        *GRANTS["start_loop"],
        Permission(("sns:Publish",), ("*",)),
    )


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("dict()", r"lambdas/ask\.py, line 1: FUNCTION: must be a literal dictionary"),
        ("[]", "must be a dictionary"),
        ('{"memroy": 1}', "unknown key 'memroy'; the keys are memory, timeout, permissions, grants"),
        ('{"grants": ["start"]}', "there is no grant 'start'; there are start_loop, answer_waiting"),
        ('{"grants": "start_loop"}', "grants must be a list of names"),
        ('{"memory": 64}', "memory must be 128 to 10240 MB, not 64"),
        ('{"timeout": True}', "timeout must be 1 to 900 seconds, not True"),
        ('{"timeout": 901}', "timeout must be 1 to 900 seconds, not 901"),
        ('{"permissions": {}}', "permissions must be a list"),
        ('{"permissions": [{"actions": []}]}', "a permission is "),
        (f'{{"permissions": [{{"actions": [], {ANY}}}]}}', "actions must be a list that is not empty"),
        (f'{{"permissions": [{{"actions": ["Get"], {ANY}}}]}}', "'Get' is none of IAM's actions"),
        ('{"permissions": [{"actions": ["a:B"], "resources": ["t"]}]}', "'t' is none of IAM's resources"),
    ],
)
def test_what_a_function_cannot_say_about_itself_is_told(project: Path, declared: str, told: str) -> None:
    (project / "lambdas/ask.py").write_text(f"FUNCTION = {declared}\ndef handler(event, context): ...\n")
    with pytest.raises(WorkflowError, match=told):
        function("ask", project)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", r"lambdas/ask\.py: defines no `handler`; write `def handler\(event, context\):`"),
        ("def handler(:\n", r"lambdas/ask\.py, line 1: "),
    ],
)
def test_a_file_that_is_no_function_is_told(project: Path, text: str, told: str) -> None:
    (project / "lambdas/ask.py").write_text(text)
    with pytest.raises(WorkflowError, match=told):
        function("ask", project)


@pytest.mark.parametrize("name", ["nobody", "../secrets", "Ask", ""])
def test_a_function_that_is_not_there_is_told_with_where_it_would_be(project: Path, name: str) -> None:
    with pytest.raises(WorkflowError, match=rf"lambdas/{name}\.py|cannot name a function"):
        function(name, project)
