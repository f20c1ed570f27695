"""The layouts of the structs, against the headers by a C compiler; loading, and what failures become."""

import ctypes
import os
import re
import shutil
import subprocess
import sys

import pytest

from native import ROOT, _library, millrace

INCLUDE = ROOT / "include"

STRUCTS = {
    "mr_env_arena": _library.Arena,
    "mr_env_spec": _library.EnvSpec,
    "mr_step": _library.Step,
    "mr_env_options": _library.EnvOptions,
    "mr_env_entry": _library.EnvEntry,
    "mr_widths": _library.Widths,
    "mr_policy_spec": _library.PolicySpec,
    "mr_support": _library.Support,
    "mr_density_spec": _library.DensitySpec,
    "mr_fit_options": _library.FitOptions,
    "mr_fit_progress": _library.FitProgress,
    "mr_train_setting": _library.TrainSetting,
    "mr_train_metric": _library.TrainMetric,
    "mr_train_progress": _library.TrainProgress,
    "mr_train_options": _library.TrainOptions,
    "mr_train_result": _library.TrainResult,
    "mr_env_callbacks": _library.EnvCallbacks,
}


def layout(struct):
    fields = [(name, getattr(struct, name).offset, getattr(struct, name).size) for name, _ in struct._fields_]
    return [("", 0, ctypes.sizeof(struct)), *fields]


@pytest.fixture(scope="module")
def in_c(tmp_path_factory):
    """(struct, field) -> offset and size, as a C compiler has them."""
    if not INCLUDE.exists() or shutil.which("cc") is None:
        pytest.skip("no C compiler, or no headers")
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} - 0 %zu\\n", sizeof({name}));')
        for field, *_ in struct._fields_:
            size = f"sizeof((({name} *)0)->{field})"
            lines.append(f'printf("{name} {field} %zu %zu\\n", offsetof({name}, {field}), {size});')
    folder = tmp_path_factory.mktemp("layout")
    (folder / "layout.c").write_text(
        "#include <millrace/millrace.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n"
        + "\n".join(lines)
        + "\nreturn 0;\n}\n"
    )
    command = ["cc", "-std=c17", f"-I{INCLUDE}", "layout.c", "-o", "layout"]
    subprocess.run(command, cwd=folder, check=True)
    printed = subprocess.run([folder / "layout"], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in printed.splitlines())
    return {(name, field.strip("-")): (int(at), int(size)) for name, field, at, size in rows}


@pytest.mark.parametrize("name", STRUCTS)
def test_structs_are_laid_out_as_in_c(name, in_c):
    for field, offset, size in layout(STRUCTS[name]):
        assert in_c[name, field] == (offset, size), field


@pytest.mark.parametrize("name", STRUCTS)
def test_structs_have_all_fields_of_the_headers(name):
    if not INCLUDE.exists():
        pytest.skip("no headers")
    text = "".join(path.read_text() for path in sorted((INCLUDE / "millrace").glob("*.h")))
    body = re.search(r"typedef struct {\n((?:(?!typedef struct)[\s\S])*?)\n} " + name + ";", text)[1]
    body = re.sub(r"//.*", "", body)
    body = re.sub(r"\(\*(\w+)\)\([^)]*\)", r"\1", body)  # a function's pointer
    names = [
        re.search(r"(\w+)(\[\w+\])?$", part.strip())[1]
        for line in re.findall(r"[^;]+;", body)
        for part in line.rstrip(";").split(",")
    ]
    assert [field for field, *_ in STRUCTS[name]._fields_] == names


def test_the_version_is_the_librarys():
    text = (ROOT / "include/millrace/init.h").read_text() if INCLUDE.exists() else ""
    parts = re.findall(r"#define MR_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
    assert millrace.__version__ == _library.library.mr_version().decode()
    assert not parts or millrace.__version__ == ".".join(parts), "python/millrace/version.py"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (millrace.UsageError, ValueError),
        (millrace.InputError, ValueError),
        (millrace.FileError, OSError),
        (millrace.NumericError, ArithmeticError),
        (millrace.OutOfMemoryError, MemoryError),
    ],
)
def test_failures_are_built_in_exceptions_too(error, builtin):
    assert issubclass(error, builtin) and issubclass(error, millrace.Error)
    assert str(error("a: b; do c")) == "a: b; do c"


def run(program, **environment):
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=60
    )


def test_a_library_that_is_not_there_is_named(tmp_path):
    done = run("import millrace; millrace.load('x')", MILLRACE_LIBRARY=str(tmp_path / "none.so"))
    last = done.stderr.splitlines()[-1]
    assert last.startswith("millrace.errors.LibraryError: libmillrace can't be loaded")
    assert str(tmp_path / "none.so") in last and "MILLRACE_LIBRARY" in last


def test_the_bridge_does_without_the_library(tmp_path):
    pytest.importorskip("zmq", reason="pyzmq is not installed")
    done = run("import millrace; millrace.bridge.Client", MILLRACE_LIBRARY=str(tmp_path / "none.so"))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def library_of(tmp_path):
    """Makes a library of C's text."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")

    def build(text):
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", tmp_path / "other.so"]
        subprocess.run(command, input=text, text=True, check=True)
        return str(tmp_path / "other.so")

    return build


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.1.0", "libmillrace has the version 0.1.0"),  # functions that it lacks are not the reason
        (millrace.__version__, "has no mr_error_message"),
        (None, "has no mr_version"),
    ],
)
def test_a_library_of_another_version_is_told_of(version, said, library_of):
    text = f'const char *mr_version(void) {{ return "{version}"; }}' if version else "int x;"
    done = run("import millrace; millrace.load('x')", MILLRACE_LIBRARY=library_of(text))
    last = done.stderr.splitlines()[-1]
    assert last.startswith("millrace.errors.LibraryError: ") and said in last


def test_importing_the_package_does_not_load_the_library():
    done = run("import sys, millrace; assert 'millrace._library' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'millrace' has no attribute 'polcy'"):
        _ = millrace.polcy
    assert set(millrace.__all__) <= set(dir(millrace))
    for name in millrace.__all__:
        try:
            assert getattr(millrace, name) is not None
        except ModuleNotFoundError as error:
            assert error.name in ("gymnasium", "msgpack", "zmq")  # packages that this part alone needs
