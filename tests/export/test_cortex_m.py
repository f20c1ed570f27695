"""An exported policy on a microcontroller: qemu's Cortex-M3 acts as this machine does."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build" / "release" / "bin" / "millrace")
POLICIES = ROOT / "tests" / "data" / "golden" / "0.1" / "policies"
STRICT = ["-std=gnu99", "-Wall", "-Werror", "-O2"]  # gnu99: the program around the policy has a word of assembly

for program in "arm-none-eabi-gcc", "qemu-system-arm":
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed", allow_module_level=True)
if not subprocess.run(["arm-none-eabi-gcc", "-E", "-"], input=b"#include <math.h>", capture_output=True).returncode == 0:
    pytest.skip("libnewlib-arm-none-eabi is not installed", allow_module_level=True)


def sizes_of(text):
    """Of observation and action, by the head of the C file."""
    return [int(text.split(f" *   {name}")[1].split("[")[1].split("]")[0]) for name in ("obs ", "action")]


@pytest.mark.parametrize("name", ["gaussian", "real_nvp", "nsf"])
def test_acts_as_on_this_machine(name, tmp_path):
    subprocess.run([MILLRACE, "export", POLICIES / f"{name}.safetensors", "--c", tmp_path / "policy.c"], check=True)
    obs_dim, act_dim = sizes_of((tmp_path / "policy.c").read_text())
    program = [HERE / "cortex_m.c", f"-I{tmp_path}", f"-DOBS_DIM={obs_dim}", f"-DACT_DIM={act_dim}"]
    subprocess.run(["cc", *STRICT, *program, "-o", tmp_path / "here", "-lm"], check=True)
    subprocess.run(
        ["arm-none-eabi-gcc", *STRICT, "-mcpu=cortex-m3", "-mthumb", "-nostartfiles", "-Wl,--section-start=.vectors=0",
         "-Wl,--entry=main", *program, "-o", tmp_path / "there.elf", "-lm"],
        check=True,
    )
    here = subprocess.run([tmp_path / "here"], check=True, capture_output=True, text=True).stdout
    there = subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an385", "-display", "none", "-serial", "none", "-monitor", "none",
         "-semihosting-config", "enable=on,target=native", "-kernel", tmp_path / "there.elf"],
        check=True, capture_output=True, text=True, timeout=120,
    )
    here, there = here.split(), (there.stdout + there.stderr).split()
    assert len(here) == 20 * act_dim and len(there) == len(here)
    assert len(set(here)) > 20  # actions, and not one of the bounds
    # Millionths; the two libms differ in last bits.
    assert max(abs(int(a) - int(b)) for a, b in zip(here, there)) <= 10
