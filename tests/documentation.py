"""The code blocks of the pages: found, and run one after the other as a reader would.

A page's blocks are a story: a file is written, a command run, its output looked at. So a page is one test, which also
keeps it in one process when tests run side by side. Pages are parsed by markdown-it-py: doctest-like tools (sybil,
pytest-examples) make one test of each block, and know Python alone or match Markdown by regular expressions.

What a block is for follows from its language, and from what its first line or an HTML comment before it says:

    sh        run by bash; with an exit status of 0 unless a comment says `exits with 2`
    python    a first line `# path/of.py` makes it that file; otherwise it is run
    toml      a first line `# stages.toml` makes it that file
    yaml      a first line `# path.yml` makes it that file; its `run:` lines are checked
    text      what the block before it prints: these lines, in this order; `…` stands for anything

    A block without a language is a drawing.

    <!-- not run: WHY -->       only looked at, and counted
    <!-- stays -->              a command that goes on, in a terminal of its own
    <!-- until it says so -->   the command before is repeated until it prints this: the reader looks again, too
"""

from __future__ import annotations

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
from typing import Self

from markdown_it import MarkdownIt

from workflow import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.parent.name != "reference"
)
"""Every page that somebody wrote; those of the reference are written by the code."""

PATIENCE_SECONDS = 40


@dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        page: The page's path, from the root.
        line: Where it begins, from 1.
        language: As its fence says; `sh` for an indented one.
        content: Its lines.
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
        """Why it is not run; None if it is."""
        return self.remark.removeprefix("not run:").strip() if self.remark.startswith("not run:") else None

    @property
    def exit_status(self) -> int:
        match = re.fullmatch(r"exits with (\d+)", self.remark)
        return int(match[1]) if match else 0

    @property
    def file(self) -> str | None:
        """The file that it is, if its first line says so."""
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
    """The code blocks of a page, in order."""
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
    """The project as a clone has it, with what is installed here."""
    for source in ROOT.iterdir():
        if source.name.startswith(".") or source.name in ("tests", "benchmarks", "report.html"):
            continue
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
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
    """A page, followed in a copy of the project.

    Attributes:
        folder: The copy.
        environment: What commands see; `export` adds to it, and stays.
        instead: Texts of the page, and what stands in their place: what differs from machine to machine.
    """

    folder: Path
    environment: dict[str, str]
    instead: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    _last: Block | None = None
    _failed: bool = False
    _staying: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Do what the page says, block by block."""
        told = [block for block in blocks(page) if block.not_run is None and block.language]
        for block, following in itertools.zip_longest(told, told[1:]):
            self._do(block, patient=following is not None and following.remark == "until it says so")

    def _do(self, block: Block, *, patient: bool) -> None:
        content = self._here(block.content)
        if block.language == "text":
            self._expect(block, content)
        elif block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.partition("\n")[2], encoding="utf-8")
        elif block.language == "sh" and block.remark == "stays":
            self._stay(block, content)
        elif block.language in ("sh", "python"):
            self._run(block, content, patient=patient)
        else:
            raise AssertionError(f"{block.place}: nobody knows what to do with {block.language}")

    def _here(self, text: str) -> str:
        for there, here in self.instead.items():
            text = text.replace(there, here)
        return text

    def _run(self, block: Block, content: str, *, patient: bool) -> None:
        kept = self.folder / ".venv/environment"
        run = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f"{content}\nexport -p > {kept}"]
            if block.language == "sh"
            else [str(self.folder / ".venv/bin/python"), "-W", "error", "-c", content],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )
        self.printed = run.stdout + run.stderr
        self._failed = run.returncode != block.exit_status
        assert patient or not self._failed, f"{block.place}: exit status {run.returncode}\n{self.printed}"
        if kept.exists():
            exported = re.findall(r'^declare -x (\w+)="(.*)"$', kept.read_text(), re.MULTILINE)
            self.environment |= {name: value for name, value in exported if name not in ("OLDPWD", "SHLVL")}
            kept.unlink()
        self._last = block

    def _stay(self, block: Block, content: str) -> None:
        """A command of a terminal of its own; it is done when it has printed what the page shows next."""
        log = self.folder / ".venv/terminal"
        with log.open("wb") as written:
            self._staying.append(
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
        assert self._last is not None, f"{block.place}: nothing was run before"
        wanted = [line.strip() for line in content.splitlines() if line.strip()]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (missing := missing_line(wanted, self._printed())) is not None or self._failed:
            again = block.remark == "until it says so" or self._last.remark == "stays"
            assert again, f"{block.place}: did not print {missing!r}, but\n{self.printed}"
            assert time.monotonic() < deadline, (
                f"{block.place}: never printed {missing!r}, but\n{self.printed}"
            )
            time.sleep(0.2)
            if self._last.remark != "stays":
                self._run(self._last, self._here(self._last.content), patient=True)

    def _printed(self) -> str:
        if self._last is not None and self._last.remark == "stays":
            self.printed = (self.folder / ".venv/terminal").read_text(errors="replace")
            assert self._staying[-1].poll() is None, f"{self._last.place} ended:\n{self.printed}"
        return self.printed

    def interrupt(self) -> list[int]:
        """Ctrl-C in the terminals of their own; the exit statuses of what ran there."""
        statuses = []
        while self._staying:
            process = self._staying.pop()
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


def missing_line(wanted: list[str], printed: str) -> str | None:
    """The first of the lines that was not printed, in their order; None if all were."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in wanted:
        parts = re.split(r"\s*…\s*", " ".join(line.split()))
        pattern = re.compile(".*".join(map(re.escape, parts)))
        if line != "…" and not any(pattern.fullmatch(other) for other in lines):
            return line
    return None


def story_environment(**more: str) -> dict[str, str]:
    """The environment of a reader who has activated `.venv`, and knows no AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AFTERLOOP_"))}
    return kept | {"PATH": f".venv/bin:{kept['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"} | more


def links(page: str) -> Iterator[tuple[int, str]]:
    """The targets of links and pictures of a page, with their lines."""
    for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target and token.map:
                yield token.map[0] + 1, str(target)


def anchors(page: Path) -> set[str]:
    """The anchors that a code host makes of a page's headings."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
