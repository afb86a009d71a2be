"""Finds the code blocks of the pages, and runs them in order as a reader would.

The blocks of a page depend on each other: they write a file, run a command, look at its output. So a page is one test.
Sybil and pytest-examples do not fit, because they make a test of each block, and support only Python or
match Markdown with regular expressions. So markdown-it-py parses the pages.

The language of a block, its first line, and an HTML comment before it define what to do:

    sh        Bash runs it. The exit status must be 0, unless a comment says `exits with 2`.
    python    If the first line is `# path/of.py`, it is that file. Otherwise, Python runs it.
    toml      If the first line is `# stages.toml`, it is that file.
    yaml      If the first line is `# path.yml`, it is that file. The `run:` lines are checked.
    text      The previous block prints these lines, in this order. `…` stands for any text.

    A block without a language is a drawing.

    <!-- not run: WHY -->       It is checked and counted, but not run.
    <!-- stays -->              The command keeps running, in another terminal.
    <!-- until it says so -->   The previous command is repeated until it prints this.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer
from markdown_it import MarkdownIt

from deploy import COMMANDS
from workflow import ROOT
from workflow.cli.program import command_line

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.parent.name != "reference"
)
"""The written pages. The pages of the reference are generated."""

# Only a page that is wrong waits this long. A busy machine takes a minute for `make local`.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        page: The page's path, from the root.
        line: The first line, from 1.
        language: The language of the fence; `sh` for an indented block.
        content: The lines.
        remark: The HTML comment before it.
    """

    page: str
    line: int
    language: str
    content: str
    remark: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def not_run(self) -> str | None:
        """The reason why it is not run; None if it is run."""
        return self.remark.removeprefix("not run:").strip() if self.remark.startswith("not run:") else None

    @property
    def exit_status(self) -> int:
        match = re.fullmatch(r"exits with (\d+)", self.remark)
        return int(match[1]) if match else 0

    @property
    def file(self) -> str | None:
        """The file that its first line names, if any."""
        match = re.match(r"# ((?:[\w.-]+/)*[\w-]+\.(?:py|toml|yml))\n", self.content)
        return match[1] if match else None

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, without comments and here-documents."""
        text = re.sub(r"\\\n\s*", "", self.content)
        text = re.sub(r"<<'?(\w+)'?(.*)\n(?:.*\n)*?\1\n", r"\2\n", text)
        return [
            line for line in (re.sub(r"(^|\s+)#.*", "", line).strip() for line in text.splitlines()) if line
        ]


def blocks(page: str) -> list[Block]:
    """Returns the code blocks of a page, in order."""
    found = []
    remark = ""
    for token in MarkdownIt("commonmark").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type == "html_block":
            match = re.fullmatch(r"<!--\s*(.*?)\s*-->", token.content.strip(), re.DOTALL)
            remark = " ".join(match[1].split()) if match else ""
        elif token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.strip() if token.type == "fence" else "sh"
            found.append(Block(page, token.map[0] + 1, language, token.content, remark))
            remark = ""
        elif token.type.endswith("_open"):
            remark = ""
    return found


def copy_of_the_project(folder: Path) -> Path:
    """Copies the project like a clone, with links to the installed packages."""
    for source in ROOT.iterdir():
        if source.name.startswith(".") or source.name in ("tests", "benchmarks", "report.html"):
            continue
        if source.is_dir():
            # With the compiled modules: copies keep their times, so Python need not compile them again.
            shutil.copytree(source, folder / source.name)
        else:
            shutil.copy(source, folder)
    shutil.copy(ROOT / ".gitignore", folder)
    (ROOT / ".build").mkdir(exist_ok=True)
    (folder / ".build").symlink_to(ROOT / ".build")  # bundles are named by their content
    venv = folder / ".venv"
    venv.mkdir()
    for part in Path(sys.prefix).iterdir():
        (venv / part.name).symlink_to(part)
    for which in ("base", "dev"):
        lock = f"requirements/{which}.txt"
        checksum = subprocess.run(
            ["cksum", lock], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        stamp = venv / f".installed-{which}-{checksum.split()[0]}"
        if not stamp.exists():
            stamp.touch()
    return folder


@dataclass
class Story:
    """Follows a page in a copy of the project.

    Attributes:
        folder: The copy.
        environment: The environment of the commands. `export` adds to it for all later commands.
        replacements: Text on the page → text to use, for what differs between machines.
    """

    folder: Path
    environment: dict[str, str]
    replacements: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    _last: Block | None = None
    _failed: bool = False
    _background: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Runs the blocks of a page in order."""
        to_do = [block for block in blocks(page) if block.not_run is None and block.language]
        for block, following in itertools.zip_longest(to_do, to_do[1:]):
            self._do(block, may_fail=following is not None and following.remark == "until it says so")

    def _do(self, block: Block, *, may_fail: bool) -> None:
        content = self._replaced(block.content)
        if block.language == "text":
            self._expect(block, content)
        elif block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.partition("\n")[2], encoding="utf-8")
        elif block.language == "sh" and block.remark == "stays":
            self._run_in_background(block, content)
        elif block.language in ("sh", "python"):
            self._run(block, content, may_fail=may_fail)
        else:
            raise AssertionError(f"{block.place}: unknown language {block.language}")

    def _replaced(self, text: str) -> str:
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        return text

    def _run(self, block: Block, content: str, *, may_fail: bool) -> None:
        exports = self.folder / ".venv/environment"
        run = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f"{content}\nexport -p > {exports}"]
            if block.language == "sh"
            else [str(self.folder / ".venv/bin/python"), "-W", "error", "-c", content],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        self.printed = run.stdout + run.stderr
        self._failed = run.returncode != block.exit_status
        assert may_fail or not self._failed, f"{block.place}: exit status {run.returncode}\n{self.printed}"
        if exports.exists():
            exported = re.findall(r'^declare -x (\w+)="(.*)"$', exports.read_text(), re.MULTILINE)
            self.environment |= {name: value for name, value in exported if name not in ("OLDPWD", "SHLVL")}
            exports.unlink()
        self._last = block

    def _run_in_background(self, block: Block, content: str) -> None:
        """Starts a command that keeps running. It is ready when it has printed what the page shows next."""
        log = self.folder / ".venv/terminal"
        with log.open("wb") as written:
            self._background.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {content.strip()}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        self._last = block

    def _expect(self, block: Block, content: str) -> None:
        assert self._last is not None, f"{block.place}: no command before it"
        expected = [line.strip() for line in content.splitlines() if line.strip()]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (missing := missing_line(expected, self._printed())) is not None or self._failed:
            again = block.remark == "until it says so" or self._last.remark == "stays"
            assert again, f"{block.place}: did not print {missing!r}, but\n{self.printed}"
            assert time.monotonic() < deadline, (
                f"{block.place}: never printed {missing!r}, but\n{self.printed}"
            )
            time.sleep(0.2)
            if self._last.remark != "stays":
                self._run(self._last, self._replaced(self._last.content), may_fail=True)

    def _printed(self) -> str:
        if self._last is not None and self._last.remark == "stays":
            self.printed = (self.folder / ".venv/terminal").read_text(errors="replace")
            assert self._background[-1].poll() is None, f"{self._last.place} ended:\n{self.printed}"
        return self.printed

    def interrupt(self) -> list[int]:
        """Sends Ctrl-C to the commands that keep running, and returns their exit statuses."""
        statuses = []
        while self._background:
            process = self._background.pop()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            try:
                statuses.append(process.wait(20))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                statuses.append(process.wait())
        return statuses

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.interrupt()


def missing_line(expected: list[str], printed: str) -> str | None:
    """Returns the first line that was not printed, in the given order; None if all were printed."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in expected:
        parts = re.split(r"\s*…\s*", " ".join(line.split()))
        pattern = re.compile(".*".join(map(re.escape, parts)))
        if line != "…" and not any(pattern.fullmatch(other) for other in lines):
            return line
    return None


def story_environment(**more: str) -> dict[str, str]:
    """Returns the environment of a reader who has activated `.venv` and has no AWS account."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AFTERLOOP_"))
    }
    return inherited | {"PATH": f".venv/bin:{inherited['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"} | more


def links(page: str) -> Iterator[tuple[int, str]]:
    """Yields the targets of the links and images of a page, with their lines."""
    for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target and token.map:
                yield token.map[0] + 1, str(target)


@functools.cache
def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub creates them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def expect_parsed(words: list[str], command: str) -> None:
    """Fails unless a command of `deploy.py` with these words and options exists.

    Args:
        words: The words after `python deploy.py`.
        command: What to call it in the message.
    """
    if words[0].startswith("-"):
        words = ["publish", *words]
    leaf: Any = command_line(COMMANDS)
    while words and hasattr(leaf, "commands"):
        assert words[0] in leaf.commands, f"{command}: there is no command {words[0]}"
        leaf, words = leaf.commands[words[0]], words[1:]
    assert not hasattr(leaf, "commands"), f"{command}: name one of its commands"
    try:
        leaf.make_context("command", list(words))
    except typer.TyperException as error:
        raise AssertionError(f"{command}: {error.format_message()}") from None
