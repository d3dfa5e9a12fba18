"""Sphinx settings. Built by ``nox -s docs`` with every warning an error and every reference checked."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "leanebm"
author = "The leanebm authors"
release = installed_version("leanebm")

extensions = [
    "myst_parser",
    "public_names",  # ours: no public name without documentation
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"leanebm {release}"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
napoleon_use_ivar = True

# Our own names must resolve; other projects' cannot be checked without a network.
nitpick_ignore_regex = [
    ("py:.*", r"(?!leanebm\b).*"),
    ("py:.*", r"leanebm\..*\.[A-Z]"),  # type variables
    ("py:class", r"leanebm\.lean\._worker\.LeanWorker"),  # what a pool makes proofs with; nobody else does
]

# Examples in docstrings are run with the names that a reader of the page would have imported.
doctest_global_setup = "from leanebm.core import *\nfrom leanebm.lean import *"
