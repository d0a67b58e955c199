"""Docstrings, which are written for readers of sources, made a reference."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
import sys

from sphinx import addnodes

SECTION = re.compile(r"([A-Z]\w+):$")
# Napoleon takes what stands before a colon for a type in these places, where
# docstrings have plain sentences.
WITHOUT_TYPE = ("Returns", "Yields")
KINDS_WITHOUT_TYPE = ("attribute", "data", "property")
COLON = "\N{RATIO}"


def make_rst(app, what, name, obj, options, lines):
    """Makes reStructuredText of a docstring.

    Docstrings are written for those who read sources: names stand in single
    backticks, and code is indented, as in Markdown.
    """
    del app, name, options
    if lines and lines[0].startswith("Create new instance of"):
        lines.clear()
    if what == "class" and dataclasses.is_dataclass(obj):
        lines += _help(obj)
    section, is_code, last = None, False, ""
    made = []
    for index, line in enumerate(lines):
        is_heading = SECTION.match(line)
        section = is_heading[1] if is_heading else section
        if section is None and line.startswith("    ") and not last:
            made += [] if is_code else ["::", ""]
            is_code = True
        elif line.startswith(">>>") and last and not last.startswith(">>>"):
            made.append("")
        elif line.strip():
            is_code = is_code and line.startswith("    ")
        if not is_code:
            line = _with_literals(line)
        if (section in WITHOUT_TYPE and not is_heading) or (
            what in KINDS_WITHOUT_TYPE and not index
        ):
            line = line.replace(": ", f"{COLON} ")
        made.append(line)
        last = line.strip()
    lines[:] = made


def restore_colons(app, what, name, obj, options, lines):
    """Undoes what `make_rst` hides from napoleon."""
    del app, what, name, obj, options
    lines[:] = [line.replace(COLON, ":") for line in lines]


def _help(settings):
    """Returns the attributes that say in `help` what they are, as a section."""
    helps = {
        field.name: field.metadata["help"]
        for field in dataclasses.fields(settings)
        if "help" in field.metadata
    }
    rows = [f"    {name}: {text}" for name, text in helps.items()]
    return ["", "Attributes:", *rows] if rows else []


def _with_literals(line: str) -> str:
    """Escapes what is no markup, and makes literals of what is in backticks."""
    parts = re.split(r"(?<!`)`([^`]+)`(?!`)", line)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = re.sub(r"([|]|(?<=\w)_(?!\w))", r"\\\1", part)
        elif part.startswith("l2l_tf."):
            parts[index] = f":py:obj:`{part.partition('(')[0]}`"
        else:
            parts[index] = f"``{part}``"
    return "".join(parts)


def skip_generated(app, what, name, obj, skip, options):
    """Leaves out what Python itself says of the fields of named tuples."""
    del app, what, name, options
    is_generated = (obj.__doc__ or "").startswith("Alias for field number")
    return True if is_generated else skip


def qualify_names(app, doctree):
    """Gives names in annotations their modules' full names."""
    del app
    for node in doctree.findall(addnodes.pending_xref):
        module = sys.modules.get(node.get("py:module"))
        alias, _, name = node["reftarget"].partition(".")
        found = getattr(module, alias, None)
        if name and inspect.ismodule(found):
            node["reftarget"] = f"{found.__name__}.{name}"


def name_without_page(app, env, node, contnode):
    """Leaves a name as it is that exists, but has no page here."""
    del app, env
    if node.get("refdomain") != "py":
        return None
    name, module = node["reftarget"], node.get("py:module")
    # A class may be shown as a name of another module than its own.
    shown = _find(f"{module}.{node.get('py:class')}")
    owner = getattr(shown, "__module__", None)
    # TensorFlow's names are attributes, beside folders of the same names.
    attribute = name.replace(".", ":", 1)
    paths = (name, attribute, f"{module}.{name}", f"{owner}.{name}")
    is_known = any(_find(path) is not None for path in paths)
    return contnode if is_known else None


def _find(path):
    try:
        return pkgutil.resolve_name(path)
    except (AttributeError, ImportError, ValueError):
        return None


def show_own_sources(app, module, name):
    """Returns the module whose source is linked: none from elsewhere."""
    del app
    origin = getattr(_find(f"{module}:{name}"), "__module__", None) or ""
    return origin if origin.startswith("l2l_tf") else module


def setup(app):
    """Connects what this extension does."""
    app.connect("autodoc-skip-member", skip_generated)
    # Before napoleon, which makes fields of sections, and after it.
    app.connect("autodoc-process-docstring", make_rst, priority=400)
    app.connect("autodoc-process-docstring", restore_colons, priority=600)
    app.connect("doctree-read", qualify_names)
    app.connect("missing-reference", name_without_page)
    app.connect("viewcode-follow-imported", show_own_sources)
    return {"parallel_read_safe": True}
