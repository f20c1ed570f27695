"""The links of the pages: each relative one leads to a file of the repository, from where its page is."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    return [page for page in listed.stdout.split() if not page.startswith("docs/site/")]  # Sphinx's own


@pytest.mark.parametrize("page", pages())
def test_relative_links_lead_to_files(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / page).read_text(), flags=re.DOTALL)
    targets = {link.partition("#")[0] for link in LINK.findall(text) if ":" not in link} - {""}
    paths = [((ROOT / page).parent / target).resolve() for target in targets]
    assert not [path for path in paths if not (path.is_relative_to(ROOT) and path.exists())]
