"""Configuring and building, as users meet them: scripts/build in a project of a few lines, and CMake on ours."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]

PRESETS = """{
  "version": 3,
  "configurePresets": [{"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/release"}],
  "buildPresets": [{"name": "release", "configurePreset": "release"}]
}"""

PROJECT = """cmake_minimum_required(VERSION 3.20)
project(small LANGUAGES C)
add_executable(small small.c)
add_executable(other small.c)
"""

MSGPACK_OF_6_0_1 = """prefix=/usr
includedir=include

Name: MessagePack
Description: with an include path of where it was built
Version: 6.0.1
Libs: -lm
Cflags: -I${includedir}
"""


def run(*command, **how):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)


@pytest.fixture
def checkout(tmp_path):
    """A small project with our scripts/build, built."""
    root = tmp_path / "first"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "build", root / "scripts")
    (root / "CMakePresets.json").write_text(PRESETS)
    (root / "CMakeLists.txt").write_text(PROJECT)
    (root / "small.c").write_text("int main(void) { return 0; }\n")
    built = run(root / "scripts" / "build")
    assert built.returncode == 0 and built.stderr == ""
    return root


@pytest.mark.parametrize("take", [shutil.move, shutil.copytree])
def test_a_checkout_that_was_moved_or_copied_is_built_afresh_and_says_so_once(checkout, take):
    second = checkout.parent / "second"
    take(checkout, second)
    built = run(second / "scripts" / "build")
    assert built.returncode == 0
    assert built.stderr == f"build: build/release was made in {checkout}/build/release; starting afresh\n"
    assert run(second / "build" / "release" / "small").returncode == 0
    assert run(second / "scripts" / "build").stderr == ""


def test_one_target_alone_can_be_built(checkout):
    programs = checkout / "build" / "release"
    for name in "small", "other":
        (programs / name).unlink()
    assert run(checkout / "scripts" / "build", "release", "--target", "other").returncode == 0
    assert (programs / "other").exists() and not (programs / "small").exists()


def test_without_a_build_type_it_is_a_release_and_relative_include_paths_are_not_trusted(tmp_path):
    (tmp_path / "msgpack-c.pc").write_text(MSGPACK_OF_6_0_1)
    configured = run(
        "cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path / "build", "-DBUILD_TESTING=OFF",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PKG_CONFIG_PATH": str(tmp_path)},
    )  # fmt: skip
    assert configured.returncode == 0, configured.stderr
    cache = (tmp_path / "build" / "CMakeCache.txt").read_text()
    assert "CMAKE_BUILD_TYPE:STRING=Release" in cache and "MILLRACE_WERROR:BOOL=OFF" in cache
    rules = (tmp_path / "build" / "build.ninja").read_text()
    assert "-O3" in rules and "-Werror" not in rules
