"""tests/docs/run_commands finds the commands of a page, and what is wrong with them."""

import importlib.machinery
import importlib.util
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent

PAGE = """# A page

    echo first \\
      > out.txt                   # a comment

<!-- not run: for readers -->

    echo never

Not commands, since they begin with no program:

    observation: [1, 2]

```sh
for i in 1 2; do
  echo $i >>out.txt
done
```

```python
print("not a command")
```

    bench_train --json

- a list

  with text, `echo inline`

    echo last
"""


@pytest.fixture(scope="module")
def module():
    loader = importlib.machinery.SourceFileLoader("run_commands", str(HERE / "run_commands"))
    found = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_commands", loader))
    loader.exec_module(found)
    return found


def commands(module, text):
    return [block for block in module.read_blocks(text) if module.is_commands(block, "/usr/bin:/bin")]


def test_commands_are_found_on_their_lines_with_what_is_said_of_them(module):
    blocks = commands(module, PAGE)
    assert [(block.line, block.lines[0], block.note) for block in blocks] == [
        (3, "echo first \\", ""),
        (8, "echo never", "not run: for readers"),
        (15, "for i in 1 2; do", ""),
        (24, "bench_train --json", ""),
        (30, "echo last", ""),
    ]


@pytest.mark.parametrize(
    "text, fault",
    [
        ("    echo fine\n", ""),
        ("    true\n    false\n    true\n", "page.md:2: exit code 1: false"),
        ("    sleep 60 &\n    true\n", ""),
        ("    bash -c 'exit 3' &\n    sleep 1\n", "in the background ended with exit code 3"),
        ("    no-such-program 2>/dev/null || exit 4\n", "page.md: exit code 4"),
    ],
)
def test_a_page_is_good_when_all_its_commands_are(module, tmp_path, text, fault):
    root = tmp_path / "root"
    root.mkdir()
    blocks = module.read_blocks(text)
    found, _ = module.run_page(pathlib.Path("page.md"), text, blocks, root, root)
    assert fault in found and bool(fault) == bool(found)
