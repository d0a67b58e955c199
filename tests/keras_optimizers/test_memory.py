"""Tests of l2l_tf/keras_optimizers/memory.py."""

import pytest

from l2l_tf.keras_optimizers import memory


def test_this_machine_has_memory():
    assert memory.available_bytes() > 2**20


def test_what_fits_passes_and_what_does_not_is_refused_with_numbers(
    monkeypatch,
):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    memory.check(10, 2**29, 2**29, "float32")
    with pytest.raises(
        ValueError, match="1,234.* 1.50 GiB .* 1.00 GiB .*avail"
    ):
        memory.check(1234, 2**30, 2**29, "float32")


def test_unknown_memory_refuses_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "missing")
    assert memory.available_bytes() is None
    memory.check(1, 2**60, 0, "float32")


def test_container_may_have_less_than_the_machine(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(memory, "_CGROUP_USED", tmp_path / "memory.current")
    assert memory.available_bytes() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() > 2**20
