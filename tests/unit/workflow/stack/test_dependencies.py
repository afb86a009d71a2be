from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import HASH, JMESPATH, build
from tests.wheels import wheel
from workflow.errors import BundleError
from workflow.stack.bundles import aws


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (
            "jmespath>=1\n",
            r"lambdas\.txt: 'jmespath>=1' has no version or no hash; lock it: make lock",
        ),
        ("jmespath==1.1.0\n", "has no version or no hash"),
    ],
)
def test_dependency_without_version_or_hash_is_refused(project: Path, requirement: str, message: str) -> None:
    (project / "requirements/lambdas.txt").write_text(requirement)
    with pytest.raises(BundleError, match=message):
        build(project, "notify")


def test_shared_dependency_that_is_not_installed_in_its_version_is_fetched(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(monkeypatch, files={"jmespath/new.py": b""})
    (project / "requirements/lambdas.txt").write_text(f"jmespath==0.0.1 {HASH}\nsix==1.17.0 {HASH}\n")
    names = zipfile.ZipFile(build(project, "notify").path).namelist()
    assert pip.requirements[0] == f"jmespath==0.0.1 {HASH}"
    assert "--platform=manylinux2014_aarch64" not in pip.command
    assert [name for name in names if name.startswith("jmespath/")] == ["jmespath/new.pyc"]


def test_dependency_for_another_platform_is_left_out(project: Path) -> None:
    marked = f'{JMESPATH}colorama==0.4.6 ; sys_platform == "win32" {HASH}\n'
    (project / "requirements/lambdas.txt").write_text(marked)
    assert not any(
        name.startswith("colorama") for name in zipfile.ZipFile(build(project, "notify").path).namelist()
    )


class Pip:
    """Runs instead of pip, which would need the network."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, error: str = "", files: dict[str, bytes] | None = None
    ):
        self.error, self.files = error, files or {}
        monkeypatch.setattr("workflow.stack.wheels.subprocess.run", self.run)

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.command = command
        self.requirements = Path(command[command.index("-r") + 1]).read_text().splitlines()
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
    monkeypatch.setattr("workflow.stack.wheels.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("workflow.stack.wheels.shutil.which", lambda name: "/bin/uv")
    build(project, "notify", target=aws())
    assert uv.command[:3] == ["/bin/uv", "pip", "install"]
    assert "--python-platform=aarch64-manylinux_2_34" in uv.command


def test_without_pip_and_uv_fetching_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.stack.wheels.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("workflow.stack.wheels.shutil.which", lambda name: None)
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
        (
            "WARNING: slow\nERROR: No space left on device",
            "could not be fetched: ERROR: No space left on device",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(…)': /simple/jmespath/\n"
            "ERROR: No matching distribution found for jmespath==1.1.0",
            r"wheels of jmespath==\S+ cannot be fetched, because the package index cannot be reached: check",
        ),
        (
            "ERROR: jmespath-1.1.0-cp311-cp311-win32.whl is not a supported wheel on this platform.",
            r"jmespath==\S+ has no wheel for Python 3\.13 on arm64 Linux",
        ),
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


def test_pip_takes_the_wheel_for_the_target(project: Path, shelf: Path) -> None:
    hashes = [wheel(shelf, tag=f"cp313-cp313-manylinux_2_28_{machine}") for machine in ("aarch64", "x86_64")]
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {' '.join(hashes)}\n")

    bundle = build(project, "notify", target=aws())

    module = zipfile.ZipFile(bundle.path).read("tiny/__init__.py").decode()
    assert module == "tag = 'cp313-cp313-manylinux_2_28_aarch64'\n"


@pytest.mark.parametrize("platform", ["manylinux_2_28_x86_64", "manylinux_2_99_aarch64"])
def test_dependency_without_a_wheel_for_pip_is_refused(project: Path, shelf: Path, platform: str) -> None:
    (project / "requirements/lambdas.txt").write_text(
        f"tiny==1.0 {wheel(shelf, tag=f'cp313-cp313-{platform}')}\n"
    )
    with pytest.raises(BundleError, match=r"^tiny==1\.0 has no wheel for Python 3\.13 on arm64 Linux"):
        build(project, "notify", target=aws())


def test_wheel_with_another_hash_is_refused(project: Path, shelf: Path) -> None:
    found = wheel(shelf).removeprefix("--hash=")
    (project / "lambdas/notify.requirements.txt").write_text(f"tiny==1.0 {HASH}\n")
    with pytest.raises(BundleError) as refusal:
        build(project, "notify")
    assert str(refusal.value).endswith(
        f"notify.requirements.txt: tiny==1.0: the wheel has another hash, {found}: it was changed, or locked without "
        "this file; if you trust it, lock it again: python deploy.py lock notify"
    )


def test_dependencies_larger_than_lambda_s_limit_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.stack.dependencies.UNZIPPED_LIMIT", 1000)
    with pytest.raises(BundleError, match="Lambda's limit is 250 MB"):
        build(project, "notify")


OWN = {
    "tiny/tests/__init__.py": "",
    "tiny/stubs.pyi": "x: int\n",
    "tiny/old.py": "print 'for an old Python'\n",
}


def test_own_dependency_is_fetched_for_this_machine_as_it_is(
    project: Path, shelf: Path, tmp_path: Path
) -> None:
    pinned = wheel(shelf, requires=["two"], files=OWN), wheel(shelf, "two")
    (project / "lambdas/notify.requirements.txt").write_text(f"tiny==1.0 {pinned[0]}\ntwo==1.0 {pinned[1]}\n")
    (project / "lambdas/notify.py").write_text(
        "import tiny, two, jmespath\n\ndef handler(event, context):\n    return tiny.tag\n"
    )

    with zipfile.ZipFile(build(project, "notify").path) as archive:
        archive.extractall(tmp_path / "task")
        names = archive.namelist()

    assert {*OWN, "tiny/__init__.py", "tiny-1.0.dist-info/METADATA", "jmespath/__init__.pyc"} <= set(names)
    assert not {name for name in names if name.endswith(("RECORD", "INSTALLER", "REQUESTED"))}
    script = "import sys; sys.path.insert(0, sys.argv[1])\nfrom lambdas.notify import handler; print(handler({}, None))"
    run = [sys.executable, "-I", "-S", "-c", script, str(tmp_path / "task")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "py3-none-any\n"


def metadata(name: str, *requires: str) -> dict[str, bytes]:
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
    return {f"{name}-1.0.dist-info/METADATA": text.encode()}


@pytest.mark.parametrize(
    ("requires", "written", "problem"),
    [
        ("two", "tiny", "needs two, which is not in the lock"),
        ("two>=2; python_version >= '3.13'", "tiny", "needs two>=2, which is not in the lock"),
        ("jmespath>=99", "tiny", "needs jmespath>=99, which is locked in version 1.0"),
        ("two; extra == 'more'", "tiny[more]", "needs two, which is not in the lock"),
        ("two; extra == 'more'", "tiny", None),
        ("two; python_version < '3.13'", "tiny", None),
        ("two; sys_platform == 'win32'", "tiny", None),
        ("boto3>=99", "tiny", None),  # Lambda has it, in a version that nobody knows.
        ("Jmes.Path", "tiny", "needs Jmes.Path, which is not in the lock"),
        ("JMESPath>=1", "tiny", None),
    ],
)
def test_dependencies_that_lack_one_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, requires: str, written: str, problem: str | None
) -> None:
    Pip(monkeypatch, files={**metadata("tiny", requires), **metadata("jmespath"), "tiny/__init__.py": b""})
    (project / "lambdas/notify.requirements.in").write_text(f"{written}\n")
    (project / "lambdas/notify.requirements.txt").write_text(f"Tiny==1.0 {HASH}\n")
    if problem is None:
        build(project, "notify", target=aws())
        return
    with pytest.raises(BundleError) as refusal:
        build(project, "notify", target=aws())
    assert str(refusal.value).endswith(
        f"notify.requirements.txt: tiny 1.0 {problem}: lock it again: python deploy.py lock notify"
    )


def test_pip_gets_what_the_target_needs_without_markers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(monkeypatch, files=metadata("tiny"))
    (project / "lambdas/notify.requirements.txt").write_text(
        f"tiny==1.0 ; python_full_version < '3.13' {HASH}\n"
        f"tiny==2.0 ; python_full_version >= '3.13' and platform_machine == 'aarch64' {HASH}\n"
        f"colorama==0.4.6 ; sys_platform == 'win32' {HASH}\n"
        f"./vendor/local-1.0-py3-none-any.whl {HASH}\n"
    )
    build(project, "notify", target=aws())
    assert pip.requirements == [f"tiny==2.0 {HASH}", f"./vendor/local-1.0-py3-none-any.whl {HASH}"]


def test_programs_of_a_dependency_stay_executable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch, files={**metadata("tiny"), "tiny/convert": b"#!", "tiny/data": b""})
    run = pip.run

    def with_program(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        done = run(command, **options)
        (Path(command[command.index("--target") + 1]) / "tiny/convert").chmod(0o755)
        return done

    monkeypatch.setattr("workflow.stack.wheels.subprocess.run", with_program)
    (project / "lambdas/notify.requirements.txt").write_text(f"tiny==1.0 {HASH}\n")
    with zipfile.ZipFile(build(project, "notify").path) as archive:
        modes = [oct(archive.getinfo(f"tiny/{name}").external_attr >> 16) for name in ("convert", "data")]
    assert modes == ["0o755", "0o644"]
