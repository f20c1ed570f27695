"""The site of the documentation, for Sphinx: scripts/docs builds it."""

project = "millrace"
copyright = "The millrace developers"
extensions = ["myst_parser"]
root_doc = "index"
include_patterns = ["*.md", "docs/*.md", "python/README.md"]
exclude_patterns = ["docs/site"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "millrace"
html_copy_source = False
html_show_sphinx = False
# Examples of settings, messages and logs are in no language.
highlight_language = "none"
