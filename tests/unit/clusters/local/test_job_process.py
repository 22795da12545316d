from __future__ import annotations

import os
import signal
import sys

import pytest

from aiops_provider.clusters.job_client import JobState


def test_command_gets_environment_and_log(open_site):
    """A command runs with the pool's and its own variables, and its output is in the log."""
    shell = 'echo "$SITE, $OWN, $AIOPS_JOB_ID, $OMP_NUM_THREADS"; echo trouble >&2'
    open_site.pool.submit(open_site.job("a", "sh", "-c", shell, cores=2.7, OWN="of the job"))
    open_site.follower.wait_for("a")
    assert open_site.log("a") == "of the pool, of the job, a, 2\ntrouble\n"


def test_own_variables_win(open_site):
    """What a job says about its threads is not overwritten."""
    job = open_site.job("a", "sh", "-c", "echo $MKL_NUM_THREADS", cores=4, MKL_NUM_THREADS="3")
    open_site.pool.submit(job)
    open_site.follower.wait_for("a")
    assert open_site.log("a") == "3\n"


def test_log_is_appended_to(open_site):
    """A second try with the same log adds to it."""
    for job_id in ("a", "b"):
        job = open_site.job("log", "sh", "-c", f"echo {job_id}")
        open_site.pool.submit(job)
        open_site.follower.wait_for("log")
        open_site.follower.updates.clear()
    assert open_site.log("log") == "a\nb\n"


@pytest.mark.parametrize(
    ("command", "exit_code", "message"),
    [
        (("sh", "-c", "exit 3"), 3, "exit status 3"),
        (("sh", "-c", "kill -SEGV $$"), 128 + signal.SIGSEGV, "exit status 139"),
        (("no such program",), 127, "no such program: No such file or directory"),
        (("/etc/passwd",), 126, "/etc/passwd: Permission denied"),
    ],
)
def test_exit_code_of_a_command(open_site, command, exit_code, message):
    """Exit codes are those that a shell shows, and a program that cannot run says why."""
    open_site.pool.submit(open_site.job("a", *command))
    [update] = open_site.follower.wait_for("a")
    assert (update.state, update.exit_code, update.message) == (
        JobState.FAILED,
        exit_code,
        message,
    )


@pytest.mark.parametrize(
    ("entry", "argument", "expected"),
    [
        ("builtins:int", "0", (JobState.SUCCEEDED, 0, "")),
        ("builtins:int", "5", (JobState.FAILED, 5, "exit status 5")),
        ("builtins:int", "-9", (JobState.FAILED, 137, "exit status 137")),
        ("builtins:print", "hello", (JobState.SUCCEEDED, 0, "")),
        ("sys:exit", None, (JobState.SUCCEEDED, 0, "")),
        ("sys:exit", "enough", (JobState.FAILED, 1, "enough")),
        (
            "builtins:dict.fromkeys",
            "x",
            (JobState.FAILED, 1, "TypeError: an entry function returns int or None, not dict"),
        ),
        (
            "no_such_module:run",
            None,
            (JobState.FAILED, 1, "ModuleNotFoundError: No module named 'no_such_module'"),
        ),
        (
            "sys:no_such_name",
            None,
            (JobState.FAILED, 1, "AttributeError: module 'sys' has no attribute 'no_such_name'"),
        ),
    ],
)
def test_end_of_an_entry(open_site, entry, argument, expected):
    """An entry function's result or error becomes exit code and message."""
    open_site.pool.submit(open_site.job("a", entry=entry, argument=argument))
    [update] = open_site.follower.wait_for("a")
    assert (update.state, update.exit_code, update.message) == expected


def test_traceback_of_an_entry(site, jobs_module):
    """The log of a failed entry holds the traceback from the user's function on."""
    module = jobs_module("def run(text):\n    return int(text)\n")
    site.open()
    site.pool.submit(site.job("a", entry=f"{module}:run", argument="seven"))
    [update] = site.follower.wait_for("a")
    assert update.message == "ValueError: invalid literal for int() with base 10: 'seven'"
    assert "in run\n    return int(text)" in site.log("a")
    assert "job_process" not in site.log("a")


def test_entry_ends_as_an_interpreter_does(site, jobs_module):
    """Threads and child processes that are no daemons are waited for, exit handlers are run."""
    module = jobs_module(
        "import atexit, multiprocessing, sys, threading, time\n"
        "def late(text):\n"
        "    time.sleep(0.1)\n"
        "    print(text, flush=True)\n"
        "def run():\n"
        "    atexit.register(print, 'handler')\n"
        "    threading.Thread(target=late, args=('thread',)).start()\n"
        "    multiprocessing.get_context('fork').Process(target=late, args=('child',)).start()\n"
        "    sys.stdout.write('buffered ')\n"
    )
    site.open()
    site.pool.submit(site.job("a", entry=f"{module}:run"))
    [update] = site.follower.wait_for("a")
    assert update.state is JobState.SUCCEEDED
    assert set(site.log("a").split()) == {"buffered", "thread", "child", "handler"}


@pytest.mark.parametrize("environment", [{"NUL": "a\0b"}, {"": "no name"}])
def test_environment_that_cannot_be_set(open_site, environment):
    """A job that cannot be set up fails with the reason; the pool lives on."""
    open_site.pool.submit(open_site.job("a", "true", **environment))
    open_site.pool.submit(open_site.job("b", "true"))
    bad, good = open_site.follower.wait_for("a", "b")
    assert bad.state is JobState.FAILED
    assert bad.message
    assert good.state is JobState.SUCCEEDED


def test_job_knows_nothing_of_the_host(site, tmp_path):
    """Neither signal handlers nor descriptors of the host reach a job."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        site.open()
    finally:
        signal.signal(signal.SIGTERM, before)
    script = (
        "import os, signal\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.getsignal(signal.SIGPIPE))\n"
        "print(sorted(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')"
        " if os.path.exists(f'/proc/self/fd/{fd}') and int(fd) > 2))\n"
    )
    site.pool.submit(site.job("a", sys.executable, "-c", script))
    site.follower.wait_for("a")
    os.close(writer)
    # The pool holds no copy of the writing end: the pipe is at its end.
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert site.log("a").splitlines()[0] == "True 1"  # Python itself ignores SIGPIPE
    assert site.log("a").splitlines()[1] == "[]"
