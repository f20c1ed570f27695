"""The manual pages that `millrace help --man` writes: one for each command, with its options, and nothing that mandoc warns of."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build/release/bin/millrace")


def help_of(command):
    return subprocess.run([MILLRACE, "help", *command], check=True, capture_output=True, text=True).stdout


def all_commands(group=()):
    yield group
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", help_of(group), re.M)
    for line in listed[1].splitlines() if listed else []:
        yield from all_commands((*group, line.split()[0]))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man") / "man1"
    subprocess.run([MILLRACE, "help", "--man", folder], check=True, env=dict(os.environ, SOURCE_DATE_EPOCH="86400"))
    return folder


def test_each_command_has_a_page_with_its_options(pages):
    names = set()
    for command in all_commands():
        name = "-".join(("millrace", *command)) + ".1"
        page = (pages / name).read_text()
        assert re.match(r"\.TH \S+ 1 1970-01-02 ", page)
        for option in re.findall(r"^  (?:-., )?(--[a-z0-9-]+)", help_of(command), re.M):
            assert "\\fB" + option.replace("-", "\\-") + "\\fR" in page, (name, option)
        names.add(name)
    assert {page.name for page in pages.iterdir()} == names
    assert "millrace-flow-fit.1" in names


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_warns_of_nothing(pages):
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *sorted(pages.iterdir())], capture_output=True, text=True)
    assert lint.stdout + lint.stderr == "" and lint.returncode == 0


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_a_page_reads_as_the_help_does(pages):
    shown = subprocess.run(["mandoc", "-T", "ascii", pages / "millrace-flow-vi.1"], check=True, capture_output=True, text=True)
    text = re.sub(".\b", "", shown.stdout)
    text = re.sub(r"[ \n]+", " ", text)
    assert "millrace flow vi TARGET [options]" in text
    assert " the energies of Rezende and Mohamed 2015, kept to the box [-4, 4]^2 by a window" in text
    assert "--flow FLOW the flow, as in planar:layers=16 (`millrace flow list`) [real_nvp]" in text
