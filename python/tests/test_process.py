"""Processes by name: which have ended, as far as this machine can know."""

import os
import signal
import subprocess
import sys

import pytest

from millrace_bridge.process import has_ended, process_name

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/ns/pid"), reason="this is not Linux")


def test_a_process_has_ended_once_it_was_killed_and_not_before():
    program = "from millrace_bridge.process import process_name as p; print(p(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        name = child.stdout.readline().strip()
        assert name != process_name() == process_name()
        assert not has_ended(name) and not has_ended(process_name())
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(name)  # a zombie
    assert has_ended(name)


def test_a_process_of_the_same_number_that_began_at_another_time_is_another():
    host, pid, start, place = process_name().split(":", 3)
    assert has_ended(f"{host}:{pid}:{int(start) - 1}:{place}")


def test_a_process_of_another_machine_or_container_is_taken_as_alive():
    place = process_name().split(":", 3)[3]
    for name in ("", "host", "host:9999999:5", "host:9999999:5:0:0", f"host:x:5:{place}",
                 f"host:9999999:5:{place}1", f"host:-1:5:{place}", f"host:{10**30}:5:{place}"):
        assert not has_ended(name), name
    assert has_ended(f"host:{2**22}:5:{place}")  # Linux gives numbers below 2^22


def test_a_name_holds_what_the_system_tells_of_the_process():
    _host, pid, _start, boot, namespace = process_name().split(":")
    assert int(pid) == os.getpid() and len(boot) == 36
    assert os.readlink("/proc/self/ns/pid") == f"pid:[{namespace}]"
