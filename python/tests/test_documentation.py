"""The Python of the documentation: README.md, docs/python.md, the notebook; and the oldest Python it is for."""

import ast
import pathlib
import re

import numpy as np
import pytest

from native import ROOT, millrace

DOCS = ROOT / "docs"
NOTEBOOK = DOCS / "examples/tour.ipynb"

PACKAGE = pathlib.Path(millrace.__file__).parent
SOURCES = [*PACKAGE.rglob("*.py"), *pathlib.Path(__file__).parent.glob("*.py"), *DOCS.glob("examples/*.py")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_is_in_the_syntax_of_python_3_9(path):
    ast.parse(path.read_text(), str(path), feature_version=(3, 9))


def blocks_of(page):
    """The ```python blocks of a page, each with the number of the line before it."""
    text = page.read_text()
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(1)), block[1]


@pytest.fixture
def short_work(monkeypatch):
    """Trainings and fits with less to do; their settings are else those of the page."""
    train, resume, flow = millrace.train, millrace.resume, millrace.Flow
    few = {
        "learning_starts": 100,
        "batch_size": 16,
        "hidden": (16, 16),
        "eval_every": 100,
        "eval_episodes": 1,
    }

    def train_shortly(*arguments, steps, **settings):
        return train(*arguments, steps=min(steps, 200), **{**settings, **few})

    def resume_shortly(*arguments, steps, **settings):
        return resume(*arguments, steps=min(steps, 220), **settings)

    class Flow(flow):
        def fit(self, *arguments, **options):
            self.epochs = 2
            return super().fit(*arguments, **options)

    for name, short in (("train", train_shortly), ("resume", resume_shortly), ("Flow", Flow)):
        monkeypatch.setattr(millrace, name, short)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_lines_of_a_page_run_in_their_order(page, short_work, tmp_path, monkeypatch):
    gymnasium = pytest.importorskip("gymnasium", minversion="1.1", reason="Gymnasium is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(DOCS)
    random = np.random.default_rng(1)
    millrace.train("HalfCheetah-v5", out="runs/a", steps=200)
    names = {
        "gymnasium": gymnasium,
        "millrace": millrace,
        "observation": np.zeros(17),
        "observations": np.zeros((3, 17)),
        "X": random.normal(size=(300, 2)),
        "Y": random.normal(size=(300, 2)),
    }
    n_blocks = 0
    for line, text in blocks_of(ROOT / page):
        exec(compile("\n" * line + text, page, "exec"), names)
        n_blocks += 1
    assert n_blocks > 0


# ---- The notebook


def shown(notebook):
    """The kinds of outputs of each cell of code. What they say follows the processor's rounding."""
    return [
        sorted({output.get("name") or " ".join(sorted(output["data"])) for output in cell.outputs})
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs_and_shows_what_it_computes(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    for package in ("gymnasium", "ipykernel", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import nbformat

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook, committed = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    assert shown(notebook) == shown(committed), "scripts/figures/tour makes the outputs"


def test_the_notebook_has_nothing_of_the_machine_it_was_made_on():
    text = NOTEBOOK.read_text()
    assert '"image/png"' in text and len(text) < 300_000
    for word in ("/home/", "/root/", "/tmp/", "site-packages", "iopub."):
        assert word not in text, word
