from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import HASH, JMESPATH, build
from workflow.errors import BundleError
from workflow.stack.dependencies import aws, read_lock


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (
            "jmespath>=1\n",
            r"lambdas\.txt: 'jmespath>=1' has no version or no hash; lock it: python -m uv pip compile",
        ),
        ("jmespath==1.1.0\n", "has no version or no hash"),
        (f"no-such-distribution==1.0 {HASH}\n", "no-such-distribution==1.0 is not installed here"),
        (f"jmespath==0.0.1 {HASH}\n", "jmespath is installed in version .*, but locked in 0.0.1"),
    ],
)
def test_unavailable_dependency_is_refused(project: Path, requirement: str, message: str) -> None:
    (project / "requirements/lambdas.txt").write_text(requirement)
    with pytest.raises(BundleError, match=message):
        build(project, "notify")


def test_dependency_for_another_platform_is_left_out(project: Path) -> None:
    marked = f'{JMESPATH}colorama==0.4.6 ; sys_platform == "win32" {HASH}\n'
    (project / "requirements/lambdas.txt").write_text(marked)
    assert not any(
        name.startswith("colorama") for name in zipfile.ZipFile(build(project, "notify").path).namelist()
    )


def test_later_lock_overrides_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"Some_Thing==1 \\\n    {HASH}\nother==1 {HASH}\n")
    (tmp_path / "b.txt").write_text(f"some-thing==2 {HASH}\n")
    lock = read_lock(tmp_path / "a.txt", tmp_path / "b.txt")
    assert {name: pinned.line for name, pinned in lock.items()} == {
        "some-thing": f"some-thing==2 {HASH}",
        "other": f"other==1 {HASH}",
    }


class Pip:
    """Runs instead of pip, which would need the network."""

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


def test_wheels_are_fetched_for_lambda_by_hash(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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

    bundle = build(project, "notify", target=aws())

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
        "lambdas/notify.py",
    ]


def test_without_pip_uv_fetches_the_wheels(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = Pip(monkeypatch)
    monkeypatch.setattr("workflow.stack.dependencies.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("workflow.stack.dependencies.shutil.which", lambda name: "/bin/uv")
    build(project, "notify", target=aws())
    assert uv.command[:3] == ["/bin/uv", "pip", "install"]
    assert "--python-platform=aarch64-manylinux_2_34" in uv.command


def test_without_pip_and_uv_fetching_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.stack.dependencies.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("workflow.stack.dependencies.shutil.which", lambda name: None)
    with pytest.raises(BundleError, match="install pip: python -m ensurepip"):
        build(project, "notify", target=aws())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement jmespath==1.1.0\n"
            "ERROR: No matching distribution found for jmespath==1.1.0",
            r"jmespath==\S+ has no wheel for Python 3\.13 on arm64 Linux.* use another version",
        ),
        ("WARNING: slow\nERROR: hashes do not match", "could not be fetched: ERROR: hashes do not match"),
        ("", "could not be fetched: "),
    ],
)
def test_dependency_without_a_wheel_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    pip = Pip(monkeypatch, error=output or " ")
    with pytest.raises(BundleError, match=message) as error:
        build(project, "notify", target=aws())
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


def test_pip_takes_the_wheel_for_the_target(project: Path, shelf: Path) -> None:
    hashes = [wheel(shelf, f"manylinux_2_28_{machine}") for machine in ("aarch64", "x86_64")]
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {' '.join(hashes)}\n")

    bundle = build(project, "notify", target=aws())

    module = zipfile.ZipFile(bundle.path).read("tiny/__init__.py").decode()
    assert module == "platform = 'manylinux_2_28_aarch64'"


@pytest.mark.parametrize("platform", ["manylinux_2_28_x86_64", "manylinux_2_99_aarch64"])
def test_dependency_without_a_wheel_for_pip_is_refused(project: Path, shelf: Path, platform: str) -> None:
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {wheel(shelf, platform)}\n")
    with pytest.raises(BundleError, match=r"^tiny==1\.0 has no wheel for Python 3\.13 on arm64 Linux"):
        build(project, "notify", target=aws())


def test_wheel_with_another_hash_is_refused(project: Path, shelf: Path) -> None:
    wheel(shelf, "manylinux_2_28_aarch64")
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {HASH}\n")
    with pytest.raises(BundleError, match=r"could not be fetched: .*DO NOT MATCH THE HASHES"):
        build(project, "notify", target=aws())


def test_dependencies_larger_than_lambda_s_limit_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.stack.dependencies.UNZIPPED_LIMIT", 1000)
    with pytest.raises(BundleError, match="Lambda's limit is 250 MB"):
        build(project, "notify")
