"""Pages as they are read on GitHub, made pages of the site."""

from __future__ import annotations

import os
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parent.parent
ROOT = DOCS.parent

PAGES = {
    "start": "README.md",
    "contributing": "CONTRIBUTING.md",
    "benchmarks": "benchmarks/README.md",
}
"""Pages, and the files outside of this folder that they show."""


def show_file(app, docname, source):
    """Puts a file in the place of the page that shows it."""
    page = origin = DOCS / f"{docname}.md"
    if docname in PAGES:
        origin = ROOT / PAGES[docname]
        app.env.note_dependency(str(origin))
        source[0] = origin.read_text(encoding="utf-8")
    if page.is_file():
        text = with_links_of_site(source[0], origin.parent, page.parent)
        listed = MODULES.sub(lambda match: reference(match[1]), text)
        listed = listed.replace(OTHER_PAGES, other_pages(text))
        if listed != text:
            # There may be a new file the next time.
            app.env.note_reread()
        source[0] = listed


def with_links_of_site(
    text: str, origin: pathlib.Path, folder: pathlib.Path
) -> str:
    """Makes links of a file in one folder those of a page in another."""
    shown = {ROOT / file: DOCS / f"{page}.md" for page, file in PAGES.items()}

    def link(match: re.Match) -> str:
        file = (origin / match["path"]).resolve()
        if not file.exists():
            return match[0]
        path = os.path.relpath(shown.get(file, file), folder)
        return f"]({pathlib.Path(path).as_posix()}{match['rest']})"

    return re.sub(r"\]\((?P<path>[^):#\s]+)(?P<rest>[^)]*)\)", link, text)


OTHER_PAGES = "<!-- other pages -->"
"""Stands in the first page for the pages that it does not name."""


def other_pages(index: str) -> str:
    """Returns the names of pages that the first page does not have."""
    named = set(re.findall(r"^(?:.+ <)?(\w+)>?$", index, re.M))
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    return "\n".join(sorted(pages - named))


MODULES = re.compile(r"^<!-- modules of (\S+) -->$", re.M)
"""Stands in a page for the reference of all modules of a package."""


def reference(package: str) -> str:
    """Returns what makes the reference of all modules of a package."""
    folder = ROOT / package.replace(".", "/")
    return "\n".join(
        f"## {package}.{module.stem}\n\n```{{eval-rst}}\n"
        f".. automodule:: {package}.{module.stem}\n```\n"
        for module in sorted(folder.glob("[a-z]*.py"))
    )


def setup(app):
    """Connects what this extension does."""
    app.connect("source-read", show_file)
    return {"parallel_read_safe": True}
