"""What scripts/demo.py leaves fills every tab of TensorBoard."""

import functools

import pytest

from l2l_tf.evaluation import comparison
from l2l_tf.meta_training import experiment
from tests import events
from tests import in_process

pytestmark = pytest.mark.slow


def _with_less_to_do(function, **options):
    @functools.wraps(function)
    def reduced(*args, **given):
        return function(*args, **{**given, **options})

    return reduced


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The demo's folder, after short runs and few of them."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        train = _with_less_to_do(
            experiment.meta_train,
            num_steps=4,
            unroll_length=2,
            evaluation_epochs=1,
            jit_compile=False,
        )
        compare = _with_less_to_do(
            comparison.compare,
            num_steps=4,
            num_runs=2,
            search_runs=1,
            baselines=["sgd"],
        )
        patch.setattr(experiment, "meta_train", train)
        patch.setattr(comparison, "compare", compare)
        done = in_process.run_script(
            "demo", f"--output={folder}", "--num_epochs=3"
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"tensorboard --logdir {folder}" in done.stdout
    return folder


def test_every_tab_has_something_to_show(output):
    folders = {file.parent for file in output.rglob(events.PATTERN)}
    tabs = set().union(*(events.plugins(f).values() for f in folders))
    assert {"scalars", "images", "histograms", "text", "hparams"} <= tabs
    graphs = [e for f in folders for e in events.read(f) if e.graph_def]
    assert len(graphs) == 1
    assert list(output.rglob("plugins/profile/*/*.xplane.pb"))


def test_both_parts_of_the_demo_are_runs_of_their_own(output):
    training = events.plugins(output / "quadratic" / "logs")
    assert training["training/meta_loss"] == "scalars"
    assert training["validation/learning_curves"] == "images"
    learned = next((output / "digits").glob("LearnedOptimizer*"))
    fit = events.plugins(learned / "train")
    assert fit["batch_update_norm"] == fit["epoch_loss"] == "scalars"
    assert "histograms" in fit.values()


def test_plots_and_the_optimizer_are_there(output):
    for name in ("quadratic.png", "digits.png"):
        assert (output / name).stat().st_size > 10_000
    assert (output / "quadratic" / "optimizer" / "metadata.json").is_file()
