"""Completion in real shells: what a Tab makes of a command line, typed into a terminal."""

import os
import pathlib
import pty
import select
import shutil
import signal
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MILLRACE = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build/release/bin/millrace"))
SCRIPTS = ROOT / "scripts/install/completion"
BASH_COMPLETION = pathlib.Path("/usr/share/bash-completion/bash_completion")
DEADLINE_S = 60

# A shell, and what is typed first.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"source {BASH_COMPLETION}; source {SCRIPTS}/millrace.bash"),
    "zsh": (["zsh", "-f", "-i"], f"fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -D -u"),
    "fish": (["fish", "--no-config", "-i"], f"source {SCRIPTS}/millrace.fish"),
}

# What is typed before a Tab, and the words of the command line after it.
COMPLETED = [
    ("pres", ["presets"]),
    ("train Hopp", ["train", "Hopper-v5"]),
    ("train Hopper-v5 --policy nsf_l", ["train", "Hopper-v5", "--policy", "nsf_lu"]),
    ("train Hopper-v5 --agent m", ["train", "Hopper-v5", "--agent", "meow"]),
    ("train Hopper-v5 --preset cro", ["train", "Hopper-v5", "--preset", "crossq"]),
    ("train Hopper-v5 --preset no", ["train", "Hopper-v5", "--preset", "none"]),
    ("train Hopper-v5 --learning-st", ["train", "Hopper-v5", "--learning-starts"]),
    ("flow interp", ["flow", "interpolate"]),
    ("help flow sa", ["help", "flow", "sample"]),
    ("flow score model.safetensors da", ["flow", "score", "model.safetensors", "data.npy"]),
    ("plot runs/one\\ s", ["plot", "runs/one step"]),
    ("eval runs/f", ["eval", "runs/first.safetensors"]),
    ("train Hopper-v5 --from runs/f", ["train", "Hopper-v5", "--from", "runs/first.safetensors"]),
    ("sweep gr", ["sweep", "grid.yaml"]),
    ("record runs/first.safetensors --episo", ["record", "runs/first.safetensors", "--episodes"]),
]


@pytest.fixture
def folder(tmp_path):
    """Has a run, a policy, a table, and a `millrace` that keeps the words that it was called with."""
    (tmp_path / "runs/one step").mkdir(parents=True)
    (tmp_path / "runs/one step/config.yaml").touch()
    for name in "runs/first.safetensors", "data.npy", "grid.yaml":
        (tmp_path / name).touch()
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/millrace"
    command.write_text(
        f'#!/bin/sh\n[ "$1 $2" != "help --complete" ] || exec {MILLRACE} "$@"\n'
        f'printf "%s\\n" "$@" >{tmp_path}/words.part; mv {tmp_path}/words.part {tmp_path}/words\n'
    )
    command.chmod(0o755)
    return tmp_path


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, arguments, folder):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            path = f"{folder / 'bin'}:{os.environ['PATH']}"
            os.execvpe(arguments[0], arguments, dict(os.environ, PATH=path, TERM="dumb", HOME=str(folder), INPUTRC="/dev/null"))

    def type(self, text):
        os.write(self.file, text.encode())

    def shown(self):
        """What it has printed since it was asked last."""
        text = b""
        while select.select([self.file], [], [], 0)[0]:
            text += os.read(self.file, 65536)
        return text.decode(errors="replace")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.file)


def words_called_with(folder, terminal):
    words, end, shown = folder / "words", time.monotonic() + DEADLINE_S, ""
    while not words.exists() and time.monotonic() < end:
        time.sleep(0.02)
        shown += terminal.shown()  # a terminal that nobody reads takes no more
    assert words.exists(), shown
    found = words.read_text().splitlines()
    words.unlink()
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes(shell, folder):
    arguments, setup = SHELLS[shell]
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    if shell == "bash" and not BASH_COMPLETION.exists():
        pytest.skip("bash-completion is not installed")
    terminal = Terminal(arguments, folder)
    try:
        terminal.type(setup + "\n")
        for typed, words in COMPLETED:
            terminal.type(f"millrace {typed}\t\n")
            assert words_called_with(folder, terminal) == words, typed
    finally:
        terminal.close()
