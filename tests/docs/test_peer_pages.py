"""The tables of docs/from_*.md name settings as the command does when it is given those of the other library."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build/release/bin/millrace")
PAGES = [ROOT / "docs/from_stable_baselines3.md", ROOT / "docs/from_cleanrl.md"]


def rows(page):
    """Of the settings' table, the last of the page: names of theirs, and the options that are ours."""
    table = re.findall(r"^\| (`[^|]*) \| (`--[^|]*) \|$", page.read_text().split("## Settings")[1], re.M)
    for theirs, ours in table:
        yield from ((name, re.findall(r"`(--[a-z0-9-]+)`", ours)) for name in re.findall(r"`([a-z0-9_]+)`", theirs))


ROWS = [row for page in PAGES for row in rows(page)]


@pytest.mark.parametrize("theirs, ours", ROWS, ids=[name for name, _ in ROWS])
def test_a_setting_of_theirs_is_the_option_that_the_page_says(theirs, ours):
    option = "--" + theirs.replace("_", "-")
    said = subprocess.run([MILLRACE, "train", "Pendulum-v1", option], capture_output=True, text=True).stderr
    if f"{option} needs a value" in said:
        assert option in ours
    else:
        assert any(f"{mine} " in said + " " or f"{mine}:" in said or f"{mine}\n" in said for mine in ours), said


def test_the_pages_have_tables():
    assert len(ROWS) > 40
