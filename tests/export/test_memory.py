"""An exported policy needs no memory but its stack and its constants, however often it acts."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build" / "release" / "bin" / "millrace")
POLICIES = ROOT / "tests" / "data" / "golden" / "0.1" / "policies"
NAMES = sorted(file.stem for file in POLICIES.glob("*.safetensors"))
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]


def export(name, folder):
    subprocess.run([MILLRACE, "export", POLICIES / f"{name}.safetensors", "--c", folder / "policy.c"], check=True)
    return folder / "policy.c"


def program(name, folder):
    text = export(name, folder).read_text()
    sizes = [text.split(f" *   {what}")[1].split("[")[1].split("]")[0] for what in ("obs ", "action")]
    macros = [f"-DOBS_DIM={sizes[0]}", f"-DACT_DIM={sizes[1]}", f"-I{folder}"]
    subprocess.run(["cc", *STRICT, "-O2", "-g", *macros, HERE / "calls.c", "-o", folder / "calls", "-lm"], check=True)
    return folder / "calls"


def test_every_policy_calls_functions_of_libm_alone(tmp_path):
    libm = {"erff", "expf", "log1pf", "logf", "sqrtf", "tanhf"}
    assert len(NAMES) > 5
    for name in NAMES:
        # Without builtins: a loop that copies stays a loop, and is no call of memcpy.
        subprocess.run(["cc", *STRICT, "-O2", "-ffreestanding", "-c", export(name, tmp_path), "-o", tmp_path / "policy.o"], check=True)
        symbols = subprocess.run(["nm", tmp_path / "policy.o"], check=True, capture_output=True, text=True).stdout
        kinds = {line.split()[-1]: line.split()[-2] for line in symbols.splitlines()}
        needed = {symbol for symbol, kind in kinds.items() if kind == "U"} - {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
        assert "tanhf" in needed and needed <= libm, name
        written = {symbol for symbol, kind in kinds.items() if kind in "BbCDd"}  # variables
        assert not written, name


@pytest.mark.parametrize("name", ["gaussian", "nsf"])
def test_a_million_calls_change_nothing(name, tmp_path):
    subprocess.run([program(name, tmp_path), "1000000"], check=True, timeout=300)


@pytest.mark.parametrize("name", ["gaussian", "planar", "nsf_ar"])
def test_valgrind_finds_nothing_in_10000_calls(name, tmp_path):
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    command = ["valgrind", "--error-exitcode=9", "--leak-check=full", program(name, tmp_path), "10000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "total heap usage: 0 allocs, 0 frees, 0 bytes allocated" in done.stderr
