"""tests/bench/counts: instructions of an update, an action and a step, as recorded."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
COUNTS = ROOT / "tests" / "bench" / "counts"
BIN = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build/release/bin/millrace")).parent

loader = importlib.machinery.SourceFileLoader("counts", str(COUNTS))
counts = importlib.util.module_from_spec(importlib.util.spec_from_loader("counts", loader))
loader.exec_module(counts)

# By the rules of callgrind's manual: names that come again are numbers alone, the line after `calls=` has what the called
# function took, which is counted in its own lines.
CALLGRIND = """\
# callgrind format
version: 1
positions: line
events: Ir
fl=(1) sac.c
ob=(1) /somewhere/bin/bench_counts
fn=(1) update
16 400
+2 3
cob=(2) /usr/lib/libopenblas.so.0
cfn=(2) sgemm
calls=1 50
* 1000
+4 7

ob=(2)
fn=(2)
50 1000

ob=(1)
fn=(3) counted
-3 5
totals: 1415
"""


def test_instructions_are_counted_once_and_apart_by_library():
    assert counts.parse(CALLGRIND) == {"own": 400 + 3 + 7 + 5, "OpenBLAS": 1000}


def test_what_differs_from_the_record_by_more_than_the_tolerance_is_named():
    recorded = {"a": {"own": 1000}, "b": {"own": 1000}, "c": {"own": 1000}}
    found = {"a": {"own": 1019}, "b": {"own": 1100}, "c": {"own": 900}, "d": {"own": 5}}
    assert [line.split(":")[0] for line in counts.differences(recorded, found)] == ["b", "c", "d"]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind here")
@pytest.mark.skipif(not (BIN / "bench_counts").exists(), reason="no bench_counts beside millrace")
def test_instructions_are_as_recorded():
    done = subprocess.run([COUNTS, "--bin", BIN], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name}: " in done.stdout for name in json.loads(counts.RECORD.read_text())["instructions"])
