"""
Starts a program that ends when its parent does, however the parent ends.

``python -m aiops_provider.cli.demo.tether PARENT_PID program argument …``

A demo that is killed must not leave a scheduler behind. A launcher does what ``preexec_fn`` would,
which is not safe in a process with threads (the spinner is one). The kernel's signal exists on
Linux only; elsewhere the program is ended by the demo's own clean-up alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the program."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have gone before the kernel was asked.
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} is gone")
    os.execvp(program[0], program)  # noqa: S606 - the demo's own command line, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
