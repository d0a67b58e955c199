"""Settings of the documentation site, which `make docs` builds.

Pages are the Markdown files and notebooks of this folder, which are read on
GitHub as well. What is done for that lies in `_extensions`: `site_pages`
resolves links and shows files from outside of this folder, `site_docstrings`
makes the reference.
"""

from __future__ import annotations

import os
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parent
ROOT = DOCS.parent

# Modules are imported for their docstrings.
sys.path.insert(0, str(ROOT))
sys.path.append(str(DOCS / "_extensions"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

project = "l2l_tf"
html_title = "l2l_tf"
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
html_theme = "furo"
html_show_copyright = False
html_copy_source = False

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "site_docstrings",
    "site_pages",
]
exclude_patterns = ["_extensions", "results/*.md"]
highlight_language = "none"
# A reference that leads nowhere is a warning, and `make docs` fails on these.
nitpicky = True
myst_heading_anchors = 3
# Notebooks are shown with the outputs that they hold.
nb_execution_mode = "off"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autoclass_content = "both"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
