"""Tests of l2l_tf/figures/every_optimizer.py."""

from l2l_tf.figures import every_optimizer
from l2l_tf.problems import registry
from l2l_tf.saving import metadata
from tests import prepared_data

_PANELS = every_optimizer.FIGURE.panels

# Others under another name, or made of others.
_NO_COLUMNS = {
    *("ensemble", "mixture", "sampled-tasks"),
    *("fashion_mnist", "image_classification"),
}


def test_every_bundled_optimizer_has_a_row():
    shown = {name for panel in _PANELS for name in panel.optimizers.values()}
    assert shown == set(metadata.bundled_names())


def test_every_problem_has_a_column():
    shown = {panel.problem for panel in _PANELS}
    assert shown | _NO_COLUMNS == set(registry.PROBLEMS.names())


# What an option may differ in between training and the figure: starts, sizes
# of batches and of sets of functions, where pictures come from.
_FREE = {
    *("initial_values", "initial_std", "batch_size", "dtype"),
    *("num_functions", "contents", "mirror_colors", "loss_factors"),
}


def _trained_problems(optimizer):
    """Returns names and options of all that an optimizer was trained on."""
    trained = metadata.read(optimizer)["problem"]
    if trained["name"] != "ensemble":
        return [(trained["name"], trained["options"])]
    return [(p["problem"], p) for p in trained["options"]["problems"]]


def _is_same(problem, name, options):
    if problem.name != name:
        return False
    # What old metadata leaves out is the default.
    options = {**registry.make_problem(name, "test").options, **options}

    def fits(key, value):
        own = options.get(key, value)
        return own == value or (isinstance(own, list) and value in own)

    return all(
        fits(key, value)
        for key, value in problem.options.items()
        if key not in _FREE
    )


@prepared_data.needs("mnist")
@prepared_data.needs("cifar10")
def test_optimizers_are_framed_where_they_were_trained():
    for panel in _PANELS:
        problem = registry.make_problem(panel.problem, "test", **panel.options)
        trained = {
            label
            for label, optimizer in panel.optimizers.items()
            if any(_is_same(problem, *p) for p in _trained_problems(optimizer))
        }
        framed = every_optimizer.FIGURE.trained_on.get(panel.label, ())
        assert set(framed) == trained, panel.label
