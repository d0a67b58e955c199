"""Tests of l2l_tf/core/imports.py."""

import pytest

from l2l_tf.core import imports


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "of_the_user.py").write_text("NUMBER = 3\n")
    (tmp_path / "lacking_another.py").write_text("import nonesuch_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("folder")
def test_a_module_is_imported():
    assert imports.of_user("of_the_user", "a test").NUMBER == 3


@pytest.mark.parametrize("name", ["nonesuch", "nonesuch.module", "l2l_tf.none"])
def test_a_missing_module_is_refused_with_what_it_is_for(name):
    with pytest.raises(ValueError, match="no module .* for a test, neither"):
        imports.of_user(name, "a test")


@pytest.mark.parametrize("name", ["", ".", ".relative", "a b", "a.py:b", "a/b"])
def test_what_is_no_module_name_is_refused(name):
    with pytest.raises(ValueError, match="named package.module") as error:
        imports.of_user(name, "a test")
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", r"SyntaxError"),
        ("import sys; sys.exit(3)", r"3 \(SystemExit, failing_0\.py, line 1"),
        ("\n1 / 0", r"division by zero \(ZeroDivisionError, .*line 2\)"),
        ("\0", r"null bytes"),
    ],
)
def test_a_module_that_fails_is_refused_in_one_line(
    text, message, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "failing_0.py").write_text(text)
    with pytest.raises(ValueError, match=f"'failing_0' for a test.*{message}"):
        imports.of_user("failing_0", "a test")


@pytest.mark.usefixtures("folder")
def test_what_a_module_itself_lacks_is_told_by_python():
    with pytest.raises(ModuleNotFoundError, match="nonesuch_at_all"):
        imports.of_user("lacking_another", "a test")
