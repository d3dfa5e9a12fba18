"""Runs a command and makes sure that its process group ends when our parent does.

.. code-block:: text

    python -I -S _guard.py FD STACK_MIB PROGRAM ARGUMENT…

``FD`` is the read end of a pipe whose write end only the parent holds. The program is started when the
parent writes a byte to it. When it reaches end-of-file, because the parent closed it or died of anything
(``kill -9`` too), the program is killed and reaped, and then the whole group, this process included.
When the program ends by itself, this process ends in the same way. Standard input and output are
inherited by the program, never copied.

Kept to a few modules of the standard library: it is started once per worker, and its start-up counts.
"""

from __future__ import annotations

import _thread
import os
import resource
import signal
import sys

CANNOT_RUN = 127
"""Exit status when the program could not be started, as in a shell."""


def _kill_at_end_of_file(pipe: int, child: int, parent_is_gone: list[bool]) -> None:
    os.read(pipe, 1)
    parent_is_gone.append(True)
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself just now


def _raise_stack_limit(stack_mib: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = stack_mib * 2**20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def _die_of(number: int) -> None:
    """End by the signal that ended the program, so that the parent learns what really happened."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its core dump already
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def main(arguments: list[str]) -> int:
    """Run ``PROGRAM ARGUMENT…`` under guard; returns its exit status."""
    pipe, stack_mib, program = int(arguments[0]), int(arguments[1]), arguments[2:]
    os.set_inheritable(pipe, False)
    if not os.read(pipe, 1):
        return 0  # given up before it began
    if stack_mib:
        _raise_stack_limit(stack_mib)
    try:
        # Python ignores SIGPIPE, and a program would inherit that.
        child = os.posix_spawnp(program[0], program, os.environ, setsigdef=[signal.SIGPIPE])
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]!r}: {error.strerror}\n")
        return CANNOT_RUN
    parent_is_gone: list[bool] = []
    _thread.start_new_thread(_kill_at_end_of_file, (pipe, child, parent_is_gone))
    # The ends of the program's pipes must be its own: the parent is to see it close them.
    os.close(0)
    os.close(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if parent_is_gone:
        os.killpg(0, signal.SIGKILL)
    if status < 0:
        _die_of(-status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
