"""Times meta-training and evaluation, per run of 100 steps.

  python benchmarks/meta_training.py --problems=quadratic,mnist
  python benchmarks/meta_training.py --problems=cifar10

A run is 5 unrolls of 20 steps with their meta-gradients. All variants
alternate in one process. Prints tables, and JSON with the machine and
versions. `mnist-1m` is the MLP with 1,257 hidden units (999,325 parameters),
on which autodiff would take some 30 GiB (meta_memory.py) and is left out, as it
is for `cifar10`, a convnet. "Losses and gradients" are those of as many
minibatches, at a start that stays as it is: what no optimizer can do without.
"""

from __future__ import annotations

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "problems",
    ["quadratic", "digits"],
    "Of quadratic, digits, mnist, mnist-1m and cifar10.",
)
flags.DEFINE_integer("repetitions", 7, "Timed repetitions of each variant.")

_NUM_STEPS = 100
_UNROLL_LENGTH = 20
_OPTIONS = {"mnist-1m": {"hidden_layers": [1257]}, "cifar10": {}}


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    everything = {}
    for name in FLAGS.problems:
        problem = problems.make_problem(
            name.removesuffix("-1m"), **_OPTIONS.get(name, {})
        )
        rule = rules.make_rule(problem.default_rule(), problem.parameter_names)
        variants = _meta_training(problem, rule, large=name in _OPTIONS)
        reference = next(iter(variants))
        repetitions = 2 if name == "mnist-1m" else FLAGS.repetitions
        results = _measure.alternate(variants, repetitions)
        _measure.print_table(
            f"{name}: seconds per run of meta-training", results, reference
        )
        everything[name] = {"meta_training": results}
        if name not in _OPTIONS:
            variants = _evaluation(problem, rule)
            results = _measure.alternate(variants, repetitions)
            _measure.print_table(
                f"{name}: seconds per run of evaluation",
                results,
                next(iter(variants)),
            )
            everything[name]["evaluation"] = results
    _measure.print_json({"num_steps": _NUM_STEPS, "seconds": everything})


def _meta_training(problem, rule, large: bool):
    """Returns functions of a run's index, each one run."""
    import tensorflow as tf

    from l2l_tf.core import randomness
    from l2l_tf.meta_gradients import meta_loss
    from l2l_tf.meta_gradients import registry
    from l2l_tf.meta_gradients import unroll
    from l2l_tf.meta_training import settings

    step_weights = meta_loss.step_weights("constant", _UNROLL_LENGTH)
    num_lanes = settings.Settings().resolved().num_lanes

    def variant(rule, name, **options):
        estimator = registry.ESTIMATORS.build(
            name, rule, problem, step_weights, **options
        )
        start = tf.function(lambda seed: unroll.start(rule, problem, seed))
        step = tf.function(lambda run: estimator(run, ()))

        def make_run(index):
            run = start(randomness.run_seed(0, "train", index))
            for _ in range(_NUM_STEPS // _UNROLL_LENGTH):
                result = step(run)
                run = result.run
            return [gradient.numpy() for gradient in result.gradients]

        return make_run

    variants = {"losses and gradients": _losses_and_gradients(problem)}
    if not large:
        variants["autodiff"] = variant(rule, "autodiff")
        variants["autodiff, snt.LSTM"] = variant(_sonnet_rule(), "autodiff")
    for fraction in (1.0, 0.25, 0.1):
        variants[f"replay, fraction {fraction:g}"] = variant(
            rule, "replay", coordinate_fraction=fraction, num_lanes=num_lanes
        )
    return variants


def _losses_and_gradients(problem):
    """Returns a function of a run's index: an epoch without any updates."""
    import tensorflow as tf

    from l2l_tf.core import compilation
    from l2l_tf.core import randomness

    def start(seed):
        task = problem.sample_task(seed)
        return (
            task,
            problem.initial_params(task, seed),
            problem.initial_model_state(task, seed),
        )

    def differentiate(task, params, model_state, batch, seed):
        with tf.GradientTape() as tape:
            tape.watch(params)
            outcome = problem.loss(params, model_state, task, batch, seed)
        return outcome.loss, tape.gradient(outcome.loss, params)

    def measure(seed):
        task, params, model_state = start(seed)
        step = tf.function(differentiate)
        traced = step.get_concrete_function(
            task, params, model_state, problem.sample_batch(task, seed), seed
        )
        if compilation.favours_xla(traced.graph):
            step = tf.function(differentiate, jit_compile=True)

        def body(index, sums):
            own = randomness.fold_in(seed, index)
            batch = problem.sample_batch(task, own)
            found = step(task, params, model_state, batch, own)
            return index + 1, tf.nest.map_structure(
                lambda total, value: total + value, sums, found
            )

        zeros = tf.nest.map_structure(
            lambda t: tf.zeros(t.shape, t.dtype), traced.structured_outputs
        )
        return tf.while_loop(lambda i, _: i < _NUM_STEPS, body, (0, zeros))[1]

    measure = tf.function(measure)

    def run_epoch(index):
        return measure(randomness.run_seed(0, "train", index))[1][0].numpy()

    return run_epoch


def _evaluation(problem, rule):
    """Returns functions of a run's index, each one learning curve."""
    from l2l_tf.evaluation import learning_curves as evaluation

    def record(jit_compile):
        recorder = evaluation.Recorder(
            lambda rate: rule, problem, _NUM_STEPS, jit_compile
        )
        return lambda index: recorder.curves(index, 1)

    return {"plain graph": record(False), "XLA": record(True)}


def _sonnet_rule():
    """The same rule on Sonnet's own LSTM, with coordinates as its batch."""
    import sonnet as snt
    import tensorflow as tf

    from l2l_tf.rules import base
    from l2l_tf.rules.learned import preprocessing

    class SonnetRule(base.UpdateRule):
        def __init__(self):
            super().__init__()
            self._network = snt.DeepRNN(
                [snt.LSTM(20), snt.LSTM(20), snt.Linear(1)]
            )
            self._network(tf.zeros([1, 2]), self._network.initial_state(1))
            self._preprocess = preprocessing.LogAndSign()

        def initial_state(self, params):
            return self._network.initial_state(
                sum(param.shape.num_elements() for param in params)
            )

        def __call__(self, gradients, state):
            sizes = [g.shape.num_elements() for g in gradients]
            joined = tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)
            features = tf.transpose(self._preprocess(joined[tf.newaxis]))
            outputs, state = self._network(features, state)
            parts = tf.split(0.1 * outputs[:, 0], sizes)
            return [
                tf.reshape(part, gradient.shape)
                for part, gradient in zip(parts, gradients, strict=True)
            ], state

        def config(self):
            return {"rule": "sonnet"}

    return SonnetRule()


if __name__ == "__main__":
    app.run(main)
