"""A process that is ready to run one command: it has imported libraries, and nothing of the project.

    python -P workflow/cli/warm.py LIBRARIES FOLDER ARGUMENT…

When a line comes on standard input, it runs `deploy.py` in the folder with the arguments. So a command sees the
project's files as they are then, and does not wait for the libraries, which take half of the time of a swap. It ends
without a command when standard input does.
"""

from __future__ import annotations

import importlib
import runpy
import signal
import sys
from pathlib import Path

__all__ = ["main"]


def main(libraries: str, folder: str, *arguments: str) -> None:
    """Waits for a line, and runs a command.

    Args:
        libraries: The modules to import, separated by commas.
        folder: The project's folder.
        arguments: The arguments of `deploy.py`.
    """
    # Ctrl-C ends the process that started this one, and with it what this one waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in filter(None, libraries.split(",")):
        importlib.import_module(library)
    if not sys.stdin.readline():
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program = str(Path(folder) / "deploy.py")
    sys.path.insert(0, folder)
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
