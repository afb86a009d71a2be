"""The code blocks and links of the written pages, as far as they can be checked without services.

tests/engine/test_docs.py and test_tutorial.py run the pages on the local engine.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import REFERENCE
from tests.documentation import PAGES, Block, anchors, blocks, expect_parsed, links, missing_line
from workflow import ROOT
from workflow.stack.assembly import assemble
from workflow.stack.stages import load_stages

BLOCKS = [block for page in PAGES for block in blocks(page)]
LANGUAGES = {"sh", "python", "toml", "yaml", "text", ""}

NOT_RUN = {
    "docs/how-to/publish-from-ci.md": 1,
    "docs/how-to/retrain.md": 2,
    "docs/how-to/stages.md": 4,
}
"""Page → number of blocks that are not run. A new one needs a reason on the page, and is counted here."""

OTHER_PROGRAMS = {
    "aws", "cat", "echo", "export", "git", "make", "python", "rm", "sed", "source",
}  # fmt: skip
"""The programs that the pages use."""

every_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
every_page = pytest.mark.parametrize("page", PAGES)


def of(language: str) -> Callable[..., Any]:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place)


@every_block
def test_block_has_a_known_language_and_comment(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.language or re.search("[┬│├→]", block.content), (
        "give the block a language, unless it is a drawing"
    )
    assert not block.remark or re.fullmatch(
        r"not run: .{10,}|exits with \d+|stays|until it says so", block.remark
    ), block.remark


def test_blocks_that_are_not_run_are_counted() -> None:
    assert Counter(block.page for block in BLOCKS if block.not_run) == NOT_RUN


@of("sh")
def test_commands_and_their_options_exist(block: Block) -> None:
    assert block.commands
    for command in block.commands:
        expect_known(command)


@of("python")
def test_python_block_passes_ruff(block: Block, tmp_path: Path) -> None:
    ast.parse(block.content, block.place)
    if not (block.file or "").startswith(("lambdas/", "workflow/")):
        return
    assert block.file is not None
    file = tmp_path / block.file
    file.parent.mkdir(parents=True)
    file.write_text(block.content.partition("\n")[2])
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for command in (["check", *settings], ["format", "--check", *settings]):
        found = subprocess.run([*ruff, *command, str(file)], capture_output=True, text=True, check=False)
        assert found.returncode == 0, f"{block.place}\n{found.stdout}{found.stderr}"


@every_page
def test_steps_of_a_page_can_be_assembled(page: str, tmp_path: Path) -> None:
    """Assembles each file of steps with the functions that the page has written before it."""
    root = tmp_path / "root"
    (root / "lambdas").mkdir(parents=True)
    for part in (ROOT / "lambdas").iterdir():
        if part.name != "__pycache__":
            (root / "lambdas" / part.name).symlink_to(part)
    for block in blocks(page):
        if block.language != "python" or block.not_run:
            continue
        if (block.file or "").startswith("lambdas/"):
            assert block.file is not None
            (root / block.file).parent.mkdir(exist_ok=True)
            (root / block.file).write_text(block.content)
        elif names := branches_of(block):
            steps = tmp_path / "post_review.py"
            missing = {"completed", "failed", "stopped"} - names
            steps.write_text(block.content + "".join(f"\n{branch} = []" for branch in sorted(missing)))
            made = assemble(steps, root)
            assert len(made.places) > len(assemble(empty(tmp_path)).places), f"{block.place}: adds no step"


@of("toml")
def test_settings_are_valid(block: Block, tmp_path: Path) -> None:
    if "[stages." not in block.content:
        tomllib.loads(block.content)
        return
    file = tmp_path / "stages.toml"
    file.write_text(block.content)
    for stage in load_stages(file).values():
        assert stage.parameters("111122223333")


@of("yaml")
def test_ci_workflow_is_complete(block: Block) -> None:
    document = yaml.safe_load(block.content)
    assert {"name", "jobs", "permissions"} <= set(document)
    assert document.keys() & {"on", True}, "YAML 1.1 reads `on` as true"
    for job in document["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step["uses"])
            for command in Block("", 0, "sh", step.get("run", "") + "\n").commands:
                if not re.fullmatch(r"\w+=.*|case .*|esac|\d\).*|\*\).*|set [+-]e|if .*|fi|exit .*", command):
                    expect_known(re.sub(r" (\|\||&&) .*", "", command))


@every_page
def test_links_have_a_target(page: str) -> None:
    for line, target in links(page):
        place = f"{page}:{line}: {target}"
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), place
        assert file.is_relative_to(ROOT), place
        assert not anchor or anchor in anchors(file), place


def test_links_of_the_reference_have_a_target() -> None:
    for file in REFERENCE.glob("*.md"):
        for line, target in links(file.relative_to(ROOT).as_posix()):
            path, _, anchor = target.partition("#")
            there = (file.parent / path).resolve() if path else file
            assert there.exists(), f"{file.name}:{line}: {target}"
            assert not anchor or anchor in anchors(there), f"{file.name}:{line}: {target}"


def test_table_of_contents_links_every_page() -> None:
    contents = ROOT / "docs/README.md"
    found = {(contents.parent / target).resolve() for _, target in links("docs/README.md")}
    pages = {ROOT / page for page in PAGES if page.startswith("docs/")} | set(REFERENCE.glob("*.md"))
    assert pages - {contents} <= found


@every_page
def test_page_has_no_path_of_this_machine(page: str) -> None:
    text = (ROOT / page).read_text()
    assert str(ROOT) not in text
    assert "\t" not in text


def test_commands_of_the_readme_are_run_on_other_pages() -> None:
    """The README's names do not exist on the engine. `init` asks questions; the tests of the CLI run it."""
    shells = [block for block in BLOCKS if block.language == "sh" and not block.not_run]
    run, shown = (
        {
            named(command)
            for block in shells
            if (block.page == "README.md") == readme
            for command in block.commands
        }
        for readme in (False, True)
    )
    assert shown - run == {"python deploy.py init", "make test"}


def test_paths_in_contributing_exist() -> None:
    paths = re.findall(r"`([\w.-]+/[\w./-]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_readme_shows_the_example_file() -> None:
    example = (ROOT / "docs/examples/ask_people.py").read_text()
    assert example in [block.content for block in BLOCKS if block.page == "README.md"]


# Tests of tests/documentation.py and of the checks above


def test_commands_of_a_block_exclude_here_documents() -> None:
    content = "cat > a.json <<'END'\n{}\nEND\n# why\npython deploy.py plan \\\n    --stage dev  # see\n"
    assert Block("x", 1, "sh", content).commands == ["cat > a.json", "python deploy.py plan --stage dev"]


def test_unknown_commands_and_options_are_refused() -> None:
    for command in (
        "python deploy.py pln",
        "python deploy.py plan --stge dev",
        "python deploy.py loops",
        "python deploy.py loops show",
        "python deploy.py plan --output yaml",
        "make nothing",
        "curl x",
        "python -m docs.examples.nobody",
    ):
        with pytest.raises(AssertionError):
            expect_known(command)


def test_missing_line_respects_the_order() -> None:
    assert missing_line(["a … c", "d"], "x\n  a b  c\nd\n") is None
    assert missing_line(["d", "a … c"], "a b c\nd\n") == "a … c"
    assert missing_line(["a"], "a b\n") == "a"


def named(command: str) -> str:
    """Returns a command without its arguments."""
    words = command.split()
    if words[0] == "make":
        return " ".join(words[:2])
    if words[:2] != ["python", "deploy.py"]:
        return words[0]
    group = 4 if words[2] == "loops" else 3
    return " ".join(words[:group] if not words[2].startswith("-") else ["python", "deploy.py", "publish"])


def branches_of(block: Block) -> set[str]:
    """Returns the lists of steps that a block defines."""
    targets = (
        target
        for node in ast.parse(block.content).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )
    return {target.id for target in targets if isinstance(target, ast.Name)} & {
        "completed",
        "failed",
        "stopped",
    }


def empty(folder: Path) -> Path:
    file = folder / "none.py"
    file.write_text("completed = failed = stopped = []\ncompleted, failed, stopped = [], [], []\n")
    return file


def expect_known(command: str) -> None:
    """Fails unless the command and its options exist."""
    words = shlex.split(re.sub(r"\s(\||>|2>|<)\s.*", "", command))
    assert words[0] in OTHER_PROGRAMS, f"{command}: {words[0]} is not in OTHER_PROGRAMS"
    if words[:2] == ["python", "deploy.py"]:
        expect_parsed(words[2:] or ["publish"], command)
    elif words[0] == "make":
        targets = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in " ".join(targets).split(), command
    elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("docs", "sandbox", "workflow"):
        module = ROOT.joinpath(*words[2].split("."))
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), command
