"""The documentation site is built without warnings, and is complete."""

import importlib
import inspect
import pkgutil
import re
import urllib.parse
import zlib
from html import parser

# What the site is built with; a test in Bazel has what it imports.
import furo  # noqa: F401
import myst_nb  # noqa: F401
import pytest
import sphinx  # noqa: F401

import l2l_tf
from l2l_tf.meta_gradients import registry as estimators
from l2l_tf.problems import registry as problems
from l2l_tf.rules import registry as rules
from tests import processes
from tests.repository import markdown

pytestmark = pytest.mark.slow

DOCS = markdown.ROOT / "docs"
GUIDES = [
    markdown.ROOT / "README.md",
    markdown.ROOT / "CONTRIBUTING.md",
    *DOCS.glob("*.md"),
]
BUILD = "import sys\nfrom sphinx.cmd import build\nsys.exit(build.main())\n"
PACKAGES = sorted(
    found.name
    for found in pkgutil.walk_packages(l2l_tf.__path__, "l2l_tf.")
    if found.ispkg
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    program = folder / "build.py"
    program.write_text(BUILD)
    done = processes.run(
        program,
        *("--fail-on-warning", "--keep-going", "--quiet"),
        *("-d", folder / "doctrees", DOCS, folder / "html"),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "html"


@pytest.fixture(scope="module")
def names(site):
    """All names that have a place in the reference."""
    inventory = (site / "objects.inv").read_bytes()
    # Four lines say what the rest is.
    text = zlib.decompress(inventory.split(b"\n", 4)[4]).decode()
    return {line.split()[0] for line in text.splitlines() if " py:" in line}


class _Page(parser.HTMLParser):
    """What a page links to, what it loads, and what in it can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.ids = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids.add(values.get("id"))
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        self.loaded |= {
            values[name]
            for name in ("src", "href")
            if tag != "a" and values.get(name)
        }


@pytest.fixture(scope="module")
def pages(site):
    return {
        file: _Page(file.read_text(encoding="utf-8"))
        for file in site.rglob("*.html")
    }


def test_every_public_name_has_its_place(names):
    assert {f"l2l_tf.{name}" for name in l2l_tf.__all__} <= names


def test_there_are_nine_rooms():
    assert len([name for name in PACKAGES if name.count(".") == 1]) == 9


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_of_a_room_has_its_place(name, names):
    package = importlib.import_module(name)
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if not found.ispkg
    ]
    public = {
        f"{module.__name__}.{name}"
        for module in modules
        for name, thing in vars(module).items()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
        and not name.startswith("_")
    }
    missing = public - names
    assert len(public) > 5 and not missing, missing


def test_everything_that_is_registered_has_its_place(names):
    registered = [
        thing
        for registry in (rules.RULES, problems.PROBLEMS, estimators.ESTIMATORS)
        for _, thing in registry.items()
        if thing.__module__.startswith("l2l_tf.")
    ]
    missing = {
        path
        for thing in registered
        if (path := f"{thing.__module__}.{thing.__qualname__}") not in names
    }
    assert len(registered) > 20 and not missing


def test_modules_that_guides_import_have_their_places(names):
    pattern = re.compile(r"^from (l2l_tf[.\w]*) import (\w+)$", re.M)
    imported = {
        f"{module}.{name}"
        for guide in GUIDES
        for module, name in pattern.findall(guide.read_text())
    }
    # An example's own module is none of the library's.
    known = {name for name in imported if _exists(name)}
    assert len(known) > 15 and known <= names, known - names


def test_links_lead_to_pages_and_places_in_them(pages):
    for file, page in pages.items():
        for link in page.links | page.loaded:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme:
                continue
            path, place = map(
                urllib.parse.unquote, (parts.path, parts.fragment)
            )
            target = (file.parent / path).resolve() if path else file
            assert target.is_file(), (file.name, link)
            # A source leads back to one of the names that it is known by.
            if place and target in pages and "_modules" not in file.parts:
                assert place in pages[target].ids, (file.name, link)


def test_pages_load_nothing_from_a_network(pages):
    for file, page in pages.items():
        remote = {x for x in page.loaded if urllib.parse.urlsplit(x).netloc}
        assert not remote, file


def test_every_page_is_found_from_the_first(site, pages):
    ahead, reached = [site / "index.html"], set()
    while ahead:
        file = ahead.pop()
        if file in pages and file not in reached:
            reached.add(file)
            ahead += [
                (file.parent / link.partition("#")[0]).resolve()
                for link in pages[file].links
                if link.partition("#")[0]
            ]
    written = {
        site / path.relative_to(DOCS).with_suffix(".html")
        for path in (*DOCS.glob("*.md"), *DOCS.rglob("*.ipynb"))
    }
    assert written <= reached, written - reached


def _exists(name):
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True
