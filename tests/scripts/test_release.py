"""The files that say which version this is say the same as include/millrace/init.h."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def version():
    header = (ROOT / "include/millrace/init.h").read_text()
    return ".".join(re.search(rf"^#define MR_VERSION_{part} (\d+)$", header, re.M)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def test_the_newest_changes_are_those_of_this_version():
    assert re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == version()


def test_the_citation_has_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version()
