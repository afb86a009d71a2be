from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import HASH
from workflow.errors import BundleError
from workflow.stack.locks import how_to_lock, merged, read_all, read_lock, unlocked
from workflow.stack.targets import aws, local


def test_later_lock_overrides_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"Some_Thing==1 \\\n    {HASH}\nother==1 {HASH}\n")
    (tmp_path / "b.txt").write_text(f"--index-url https://one.example\nsome-thing==2 {HASH}\n")
    lock = read_lock(tmp_path / "a.txt", tmp_path / "b.txt")
    assert {name: pinned.line for name, pinned in lock.items()} == {
        "some-thing": f"some-thing==2 {HASH}",
        "other": f"other==1 {HASH}",
    }


def test_lock_has_what_its_markers_say_for_a_machine(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(
        f"one==1 ; python_full_version < '3.13' {HASH}\n"
        f"one==2 ; python_full_version >= '3.13' and platform_machine == 'aarch64' {HASH}\n"
        f"two==1 ; sys_platform == 'win32' {HASH}\nthree==1 ; extra == 'x' {HASH}\nfour==1 {HASH}\n"
    )
    assert list(map(str, read_lock(file, environment=aws().environment).values())) == ["one==2", "four==1"]
    here = {**local().environment, "python_full_version": "3.11.2", "sys_platform": "win32"}
    assert list(map(str, read_lock(file, environment=here).values())) == ["one==1", "two==1", "four==1"]


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("./vendor/My_Lib-1.0-py3-none-any.whl", "./vendor/My_Lib-1.0-py3-none-any.whl"),
        (
            "my-lib @ https://one.example/My_Lib-1.0-py3-none-any.whl ; sys_platform != 'x'",
            "my-lib @ https://one.example/My_Lib-1.0-py3-none-any.whl",
        ),
        ("my-lib[more]==1.0", "my-lib==1.0"),
    ],
)
def test_wheel_of_the_project_is_a_locked_requirement(tmp_path: Path, line: str, source: str) -> None:
    (tmp_path / "a.txt").write_text(f"{line} {HASH}\n")
    ((name, pinned),) = read_lock(tmp_path / "a.txt").items()
    assert (name, str(pinned), pinned.source) == ("my-lib", "my-lib==1.0", source)


@pytest.mark.parametrize("line", ["one>=1", "one==1.*", "one", "./one.tar.gz", "./one.whl", "-- one"])
def test_requirement_without_a_version_or_a_hash_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "ask.requirements.txt"
    file.write_text(f"{line} {HASH}\n" if not line.startswith("-") else "one==1\n")
    with pytest.raises(BundleError, match=r"has no version or no hash; lock it: python deploy\.py lock ask$"):
        read_lock(file)


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"\xff", "is not UTF-8")])
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(BundleError, match=rf"a\.txt: .*{problem}"):
        read_lock(tmp_path / "a.txt")


def test_included_requirements_have_to_be_locked(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("-r more/b.in\none\n-c limits.txt\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/b.in").write_text(
        "--requirement=../a.in\ntwo>=2\n./vendor/three-1.0-py3-none-any.whl\n"
    )
    (tmp_path / "a.txt").write_text(f"one==1 {HASH}\ntwo==1 {HASH}\n")
    missing = unlocked(tmp_path / "a.in", read_lock(tmp_path / "a.txt"))
    assert missing == ["two>=2", "./vendor/three-1.0-py3-none-any.whl"]


def test_only_requirements_of_the_machine_have_to_be_locked(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("one; python_version >= '3.13'\ntwo; sys_platform == 'win32'\n")
    assert unlocked(tmp_path / "a.in", {}, aws().environment) == ["one; python_version >= '3.13'"]
    assert unlocked(tmp_path / "a.in", {}, {"python_version": "3.11", "sys_platform": "linux"}) == []


@pytest.mark.parametrize(
    "option", ["-i https://one.example", "--extra-index-url=https://one.example", "-f folder", "--no-index"]
)
def test_option_that_says_where_packages_come_from_is_refused(tmp_path: Path, option: str) -> None:
    (tmp_path / "a.in").write_text(f"{option}\none\n")
    with pytest.raises(
        BundleError, match=rf"a\.in: {option.split()[0].split('=')[0]} is not supported: pip's conf"
    ):
        unlocked(tmp_path / "a.in", {})


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("lambdas/ask.requirements.in", "python deploy.py lock ask"),
        ("lambdas/ask/requirements.txt", "python deploy.py lock ask"),
        ("requirements/lambdas.txt", "make lock"),
    ],
)
def test_command_that_locks_a_file(file: str, command: str) -> None:
    assert how_to_lock(Path(file)) == command


def test_merged_lock_has_the_hashes_of_the_same_version(tmp_path: Path) -> None:
    hashes = [f"--hash=sha256:{digit * 64}" for digit in "012"]
    (tmp_path / "a.txt").write_text(f"one==1 ; os_name == 'nt' {hashes[1]}\ntwo==1 {hashes[0]}\n")
    (tmp_path / "b.txt").write_text(f"ONE==1 {hashes[0]} {hashes[1]}\ntwo==2 {hashes[2]}\n")
    found = merged(read_all(tmp_path / "a.txt"), read_all(tmp_path / "b.txt"))
    assert [one.text for one in found] == [
        f'one==1 ; os_name == "nt" \\\n    {hashes[0]} \\\n    {hashes[1]}',
        f"two==1 \\\n    {hashes[0]}",
    ]
