"""Damaged and hostile saved optimizers; see hostile_folders.py."""

import pytest

from tests.saving import hostile_folders

_NUM_CASES = 60


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    """Returns folders and their rules' updates, by kind."""
    folders = hostile_folders.make_genuine(tmp_path_factory.mktemp("genuine"))
    return {
        kind: (
            folder,
            hostile_folders.updates(hostile_folders.load(folder)),
        )
        for kind, folder in folders.items()
    }


@pytest.mark.parametrize("seed", range(_NUM_CASES))
def test_a_hostile_folder_is_refused_or_gives_the_same_updates(
    seed, genuine, tmp_path
):
    kind = "routed" if seed % 3 == 2 else "plain"
    folder, expected = genuine[kind]
    copy = tmp_path / "copy"
    done = hostile_folders.make(folder, copy, seed)
    outcome = hostile_folders.outcome(copy, expected)
    assert outcome in ("refused", "identical"), f"{done}: {outcome}"
    assert not (tmp_path / "copy-stolen").exists(), done


@pytest.mark.parametrize("kind", hostile_folders.GENUINE)
def test_an_undamaged_copy_is_identical(kind, genuine):
    assert hostile_folders.outcome(*genuine[kind]) == "identical"
