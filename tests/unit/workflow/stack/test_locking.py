"""Locking, with uv and wheels that are made here."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.wheels import wheel
from workflow.errors import BundleError
from workflow.stack import locking
from workflow.stack.functions import function
from workflow.stack.locking import lock, to_lock
from workflow.stack.locks import read_lock
from workflow.stack.targets import aws, local

HERE = f"cp{sys.version_info.major}{sys.version_info.minor}"
PLATFORM = sysconfig.get_platform().replace("-", "_")


@pytest.fixture
def written(project: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The requirements of a function, in a project whose functions share `tiny` 1.0. uv looks only on the shelf."""
    options = ["--no-index", "--find-links", str(shelf)]
    monkeypatch.setattr(locking, "_as_pip_is_configured", lambda: (options, {}))
    (project / "requirements/lambdas.in").write_text("tiny\n")
    (project / "requirements/lambdas.txt").write_text(f"tiny==1.0 {wheel(shelf)}\n")
    wheel(shelf, version="2.0")
    return project / "lambdas/notify.requirements.in"


def test_lock_has_what_a_function_needs_in_addition(project: Path, shelf: Path, written: Path) -> None:
    pinned = wheel(shelf, "one", requires=["tiny", "two ; python_version >= '3.13'"]), wheel(shelf, "two")
    written.write_text("one  # why\n")

    locked = lock(written, project)

    assert locked.file == project / "lambdas/notify.requirements.txt"
    assert locked.packages == ("one==1.0", "two==1.0")
    assert locked.file.read_text() == (
        "# Written by `python deploy.py lock notify`: what it needs in addition to requirements/lambdas.txt.\n"
        f'one==1.0 \\\n    {pinned[0]}\ntwo==1.0 ; python_full_version >= "3.13" \\\n    {pinned[1]}\n'
    )
    assert set(read_lock(locked.file, environment=aws().environment)) == {"one", "two"}
    assert function("notify", project).requirements == locked.file


def test_what_functions_share_is_not_locked_again(project: Path, written: Path) -> None:
    written.write_text("Tiny>=1\n")
    assert lock(written, project).packages == ()
    assert function("notify", project).requirements
    written.write_text("tiny>=2\n")
    assert lock(written, project).packages == ("tiny==2.0",)


def test_locked_versions_stay_unless_they_are_upgraded(project: Path, shelf: Path, written: Path) -> None:
    written.write_text("one\n")
    wheel(shelf, "one")
    lock(written, project)
    wheel(shelf, "one", "2.0")
    assert lock(written, project).packages == ("one==1.0",)
    assert lock(written, project, upgrade=True).packages == ("one==2.0",)
    written.with_suffix(".txt").write_text("<<<<<<< damaged\n")
    assert lock(written, project).packages == ("one==2.0",)


def test_lock_has_the_hashes_of_wheels_for_lambda_and_for_this_machine(
    project: Path, shelf: Path, written: Path
) -> None:
    here = wheel(shelf, "one", tag=f"{HERE}-{HERE}-{PLATFORM}")
    there = wheel(shelf, "one", tag="cp313-cp313-manylinux_2_28_aarch64")
    wheel(shelf, "one", "2.0", tag=f"{HERE}-{HERE}-{PLATFORM}")  # A later version, but not for Lambda.
    written.write_text("one\n")
    assert lock(written, project).packages == ("one==1.0",)
    for target in (aws(), local()):
        locked = read_lock(written.with_suffix(".txt"), environment=target.environment)
        assert locked["one"].hashes == tuple(sorted([here, there]))


def test_version_for_lambda_that_is_too_new_for_this_machine_is_left_out(
    project: Path, shelf: Path, written: Path
) -> None:
    if HERE == "cp313":
        pytest.skip("this machine has Lambda's Python")
    for version, tags in (("1.0", (HERE, "cp313")), ("2.0", ("cp313",))):
        for tag in tags:
            platform = PLATFORM if tag == HERE else "manylinux_2_28_aarch64"
            wheel(shelf, "one", version, tag=f"{tag}-{tag}-{platform}")
    written.write_text("one\n")
    assert lock(written, project).packages == ("one==1.0",)
    for target in (aws(), local()):
        assert "one" in read_lock(written.with_suffix(".txt"), environment=target.environment)


def test_wheel_of_the_project_is_locked(project: Path, shelf: Path, written: Path) -> None:
    (project / "vendor").mkdir()
    pinned = wheel(project / "vendor", "one")
    written.write_text("./vendor/one-1.0-py3-none-any.whl\n")
    assert lock(written, project).packages == ("one==1.0",)
    assert f"./vendor/one-1.0-py3-none-any.whl \\\n    {pinned}\n" in written.with_suffix(".txt").read_text()
    assert function("notify", project).requirements


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nowhere\n", "cannot be locked: Because nowhere was not found in the provided package locations"),
        (
            "one\n",
            "cannot be locked: Because one==1.0 has no wheels with a matching Python implementation tag",
        ),
        ("--index-url https://one.example\none\n", "--index-url is not supported"),
        ("one ==\n", "cannot be locked: "),
    ],
)
def test_what_cannot_be_locked_is_refused_in_one_line(
    project: Path, shelf: Path, written: Path, text: str, problem: str
) -> None:
    wheel(shelf, "one", tag="cp27-cp27m-win32")
    written.write_text(text)
    with pytest.raises(BundleError) as refusal:
        lock(written, project)
    assert f"notify.requirements.in: {problem}" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not written.with_suffix(".txt").exists()


def test_requirements_are_found_by_function(project: Path) -> None:
    with pytest.raises(
        BundleError, match=r"no function has requirements of its own: write lambdas/NAME\.req"
    ):
        to_lock((), project)
    files = [project / "lambdas/ask.requirements.in", project / "lambdas/translate/requirements.in"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert to_lock((), project) == files
    for name in ("translate", "lambdas/translate", "lambdas/translate/requirements.in"):
        assert to_lock([name], project) == files[1:]
    for name in ("lambdas/ask.py", "lambdas/ask.requirements.in"):
        assert to_lock([name], project) == files[:1]
    with pytest.raises(
        BundleError, match=r"lambdas/transalte\.requirements\.in does .* did you mean 'translate'"
    ):
        to_lock(["transalte"], project)
    (project / "lambdas/other").mkdir()
    with pytest.raises(
        BundleError, match=r"lambdas/other/requirements\.in does not exist; write it, or name one"
    ):
        to_lock(["other"], project)


def test_uv_gets_packages_from_where_pip_is_configured_to(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = """\
:env:.extra-index-url='https://two.example/simple https://three.example/simple'
:env:.find_links='/srv/wheels'
global.cert='/etc/ca.pem'
global.constraint='/etc/constraints.txt'
global.find-links='/srv/other'
global.index-url='https://one.example/simple'
install.trusted-host='two.example'
install.no-index='false'
"""
    monkeypatch.setattr(
        "workflow.stack.locking.subprocess.run",
        lambda command, **_: subprocess.CompletedProcess(command, 0, listed, ""),
    )
    options, variables = locking._as_pip_is_configured()
    assert options[1:] == [
        *("--index", "https://one.example/simple", "--index", "https://two.example/simple"),
        *("--default-index", "https://three.example/simple", "--find-links", "/srv/wheels"),
        *("--allow-insecure-host", "two.example", "--constraints", "/etc/constraints.txt"),
    ]
    assert variables == {"SSL_CERT_FILE": "/etc/ca.pem"}


def test_uv_keeps_its_default_index_if_pip_has_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "global.extra-index-url='https://two.example/simple'\n"
    monkeypatch.setattr(
        "workflow.stack.locking.subprocess.run",
        lambda command, **_: subprocess.CompletedProcess(command, 0, listed, ""),
    )
    assert locking._as_pip_is_configured()[0][1:] == ["--index", "https://two.example/simple"]


def test_settings_of_pip_are_read_from_its_environment(shelf: Path) -> None:
    assert locking._settings_of_pip().items() >= {("find-links", str(shelf)), ("no-index", "1")}
