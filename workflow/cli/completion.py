"""Completion in the shell: what the Tab key offers after `python deploy.py`.

The shell calls this program with the words so far, and `_AFTERLOOP_COMPLETE` in its environment. Only the module of the
command is imported, as for `--help`: a person waits for each press of the key.

Shells complete by the first word, which is `python` here. So the scripts check that the second word is this copy's
`deploy.py`, by the file and not by its name: they never run another project's. Everything else completes as before.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from lambdas.loops.visible import visible
from workflow import ROOT
from workflow.cli.program import COMPLETION, PROGRAM, command_line, context_of, with_default_command
from workflow.errors import AfterloopError

__all__ = ["SHELLS", "completions", "install", "script", "shown_in"]

SHELLS = ("bash", "zsh", "fish")

_BASH = """\
_afterloop() {
    local IFS=$'\\n' load
    if ((COMP_CWORD >= 2)) && [[ ${COMP_WORDS[1]} -ef @PROGRAM@ ]]; then
        COMPREPLY=($(@VARIABLE@=bash @PYTHON@ @PROGRAM@ "${COMP_WORDS[@]:2:COMP_CWORD-1}" 2>/dev/null))
        return
    fi
    if [[ -z $_afterloop_before ]]; then
        # bash-completion loads what it has for python when it is first used.
        for load in _comp_load __load_completion; do
            declare -F "$load" >/dev/null && "$load" python >/dev/null 2>&1 && break
        done
        _afterloop_register
    fi
    "${_afterloop_before:-:}" "$@"
}
_afterloop_register() {
    if [[ $(complete -p python 2>/dev/null) =~ -F\\ ([^ ]+) && ${BASH_REMATCH[1]} != _afterloop ]]; then
        _afterloop_before=${BASH_REMATCH[1]}
    fi
    complete -o default -o bashdefault -F _afterloop python python3
}
_afterloop_register
"""

_ZSH = """\
_afterloop() {
    if ((CURRENT > 2)) && [[ ${words[2]} -ef @PROGRAM@ ]]; then
        local -a found
        found=("${(@f)$(@VARIABLE@=zsh @PYTHON@ @PROGRAM@ "${(@)words[3,CURRENT]}" 2>/dev/null)}")
        if [[ -n ${found[1]} ]]; then _describe afterloop found -M 'm:{a-z}={A-Z}'; else _files; fi
    else
        (($+functions[_python])) || autoload -Uz _python
        _python "$@"
    fi
}
(($+functions[compdef])) || { autoload -Uz compinit && compinit }
compdef _afterloop python python3
"""

_FISH = """\
function __afterloop_complete
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    test (realpath -- $words[2] 2>/dev/null) = @PROGRAM@; or return
    env @VARIABLE@=fish @PYTHON@ @PROGRAM@ $words[3..] (commandline -ct) 2>/dev/null
end
complete --command python --arguments '(__afterloop_complete)'
complete --command python3 --arguments '(__afterloop_complete)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completions(commands: Mapping[str, str], words: Sequence[str]) -> list[tuple[str, str]]:
    """Returns what can stand in the place of the last word, with its help. Empty if a file can, or anything.

    Args:
        commands: Command → the module that defines it.
        words: The words after `deploy.py`. The last one is the one at the cursor, and can be empty.
    """
    # Bash makes three words of --output=json. In other shells it is one, and what is offered replaces all of it.
    *before, incomplete = [word for word in words if word != "="] or [""]
    option, equals, value = incomplete.partition("=")
    if equals and option.startswith("--"):
        found = completions(commands, [*before, option, value])
        return [(f"{option}={one}", text) for one, text in found]
    if not before:
        program = command_line(commands, "publish" if incomplete.startswith("-") else "no command")
        found = list(_words(context_of(program, []), incomplete))
        if incomplete.startswith("-"):  # These options are those of the default command, too.
            found += _words(context_of(program, ["publish"]), incomplete)
    else:
        before = with_default_command(before)
        context = context_of(command_line(commands, before[0]), before)
        # A word too many, such as the name of a loop or of no command.
        at_command = len(context.command_path.split()) == len(PROGRAM.split()) + len(before)
        found = list(_words(context, incomplete, before[-1], with_commands=at_command))
    return list(dict(found).items())


def _words(
    context: typer.Context, incomplete: str, last: str = "", *, with_commands: bool = True
) -> Iterator[tuple[str, str]]:
    command: Any = context.command
    given = [*command.params, command.get_help_option(context)]
    options = [one for one in given if one.param_type_name == "option" and not one.hidden]
    for option in options:
        if last in option.opts and not option.is_flag:
            for item in option.shell_complete(context, incomplete):
                if item.type == "plain":
                    yield item.value, item.help or ""
            return
    if incomplete.startswith("-"):
        for option in options:
            for name in (*option.opts, *option.secondary_opts):
                if name.startswith("--") and name.startswith(incomplete):
                    yield name, option.help or ""
        return
    for name, one in getattr(command, "commands", {}).items():
        if with_commands and name.startswith(incomplete):
            yield name, one.get_short_help_str(100)


def shown_in(shell: str, found: Sequence[tuple[str, str]]) -> str:
    """Returns what the program prints for a shell's script: a line for each."""

    def line(value: str, text: str) -> str:
        value, text = visible(value), visible(" ".join(text.split()))
        match shell:
            case "zsh":
                escaped = value.replace(":", "\\:")
                return f"{escaped}:{text}" if text else escaped
            case "fish":
                return f"{value}\t{text}" if text else value
            case _:
                return value

    return "".join(f"{line(*one)}\n" for one in found)


def script(shell: str) -> str:
    """Returns the script that a shell has to read.

    Raises:
        AfterloopError: There is no script for this shell.
    """
    if shell not in _SCRIPTS:
        raise AfterloopError(f"there is no completion for {shell!r}, only for {', '.join(SHELLS)}")
    values = {"PROGRAM": ROOT / "deploy.py", "PYTHON": sys.executable}
    text = f"# Completion of `python deploy.py`, written by `--show-completion {shell}`.\n{_SCRIPTS[shell]}"
    for name, value in values.items():
        text = text.replace(f"@{name}@", shlex.quote(str(value)))
    return text.replace("@VARIABLE@", COMPLETION)


def install(shell: str, home: Path | None = None) -> list[Path]:
    """Writes the script of a shell, and has the shell read it when it starts. Twice has the effect of once.

    Args:
        shell: bash, zsh or fish.
        home: The home folder.

    Returns:
        The files that were written.

    Raises:
        AfterloopError: There is no script for this shell, or a file cannot be written.
    """
    home = home or Path.home()
    text = script(shell)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    # Not in the folders for the completion of a command: a file for python would hide the shell's own.
    file = (
        config / "fish" / "conf.d" / "afterloop.fish"
        if shell == "fish"
        else config / "afterloop" / f"completion.{shell}"
    )
    written = [file]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if shell != "fish":
            start = (
                home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
            )
            line = f"[ -f {shlex.quote(str(file))} ] && . {shlex.quote(str(file))}"
            before = start.read_text(encoding="utf-8") if start.exists() else ""
            if line not in before.splitlines():
                end = "" if not before or before.endswith("\n") else "\n"
                with start.open("a", encoding="utf-8") as more:
                    more.write(f"{end}{line}\n")
                written.append(start)
    except (OSError, UnicodeDecodeError) as error:
        raise AfterloopError(
            f"cannot install the completion: {error}; write the script with --show-completion {shell}"
        ) from error
    return written
