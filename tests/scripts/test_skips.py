"""scripts/test leaves out what tests/left_out.txt has for a preset, and with --strict fails where another test is skipped
that tests/skips.txt doesn't have; with runners that only print."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]

RUNNER = """#!/bin/sh
[ "$1" != --list ] || { printf 'render: 2 tests\\n├── draws\\n└── shades\\nenv: 1 test\\n└── steps\\n'; exit; }
echo "$MILLRACE_LEFT_OUT" >left_out
printf '[PASS] env::steps: (0.01s)\\n[SKIP] render::draws: {reason}\\n'
printf '[SKIP] render::shades: Test is disabled\\n'
printf '[====] Synthesis: Tested: 2 | Passing: 2 | Failing: 0 | Crashing: 0\\n'
"""

SKIPS = "# a comment\nasan|tsan  render::*  no * here\n"
LEFT_OUT = "# a comment\nasan|mujoco-debian  env::runs|render::sh*  says nothing there\ntsan  render  says nothing there\n"


@pytest.fixture
def checkout(tmp_path):
    for name in "scripts/setup", "scripts/build":
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "skips.txt").write_text(SKIPS)
    (tmp_path / "tests" / "left_out.txt").write_text(LEFT_OUT.replace("env::runs|", ""))
    return tmp_path


def run(checkout, preset, reason, *options):
    runner = checkout / "build" / preset / "bin" / "millrace_tests"
    runner.parent.mkdir(parents=True)
    runner.write_text(RUNNER.replace("{reason}", reason))
    runner.chmod(0o755)
    return subprocess.run([checkout / "scripts" / "test", *options, preset], capture_output=True, text=True)


@pytest.mark.parametrize(
    "preset, reason, is_fine",
    [
        ("asan", "no screen here, nor there", True),
        ("asan", "another reason", False),
        ("asan", "Test is disabled", False),
        ("mujoco-debian", "no screen here", False),
    ],
)
def test_a_skip_that_is_not_listed_for_its_preset_and_reason_fails(checkout, preset, reason, is_fine):
    done = run(checkout, preset, reason, "--strict")
    assert (f"skipped, but not in tests/skips.txt: render::draws: {reason}" in done.stdout) == (not is_fine)


def test_without_strict_any_test_may_be_skipped(checkout):
    done = run(checkout, "asan", "another reason")
    assert done.returncode == 0 and "2 passed, 0 failed" in done.stdout


def test_what_a_preset_leaves_out_is_not_run_and_is_no_skip(checkout):
    done = run(checkout, "asan", "no screen here", "--strict")
    assert done.returncode == 0
    assert (checkout / "left_out").read_text() == "render::sh*\n"


def test_a_suite_that_a_preset_leaves_out_is_not_run(checkout):
    run(checkout, "tsan", "no screen here", "--strict")
    assert (checkout / "left_out").read_text() == "render::*\n"


def test_what_no_preset_leaves_out_runs(checkout):
    run(checkout, "release", "no screen here")
    assert (checkout / "left_out").read_text() == "\n"


def test_what_is_left_out_and_is_no_test_is_not_left_out_unnoticed(checkout):
    (checkout / "tests" / "left_out.txt").write_text(LEFT_OUT)
    done = run(checkout, "mujoco-debian", "no screen here")
    assert done.returncode == 1 and "tests/left_out.txt has env::runs, which is no test of" in done.stdout
