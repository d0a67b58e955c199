"""Where the time of one step goes: the optimizee, and the parts of the LSTM.

  python benchmarks/lstm_step.py

Each part runs 20 times inside one compiled loop, as in an unroll, on the
coordinates of the MNIST MLP with 20 hidden units (15,910) and a 2 x 20 LSTM.
"""

from __future__ import annotations

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("problem", "mnist", "The optimizee: mnist or digits.")
flags.DEFINE_integer("repetitions", 15, "Timed runs of each part.")

_STEPS = 20


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    import tensorflow as tf

    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    problem = problems.make_problem(FLAGS.problem)
    rule = rules.make_rule(problem.default_rule())
    seed = tf.constant([1, 2])
    params = problem.initial_params((), seed)
    columns = sum(param.shape.num_elements() for param in params)
    parts = _parts(problem, rule, params, columns)
    results = {}
    for jit_compile in (False, True):
        kind = "XLA" if jit_compile else "plain graph"
        variants = {
            name: _repeat(body, start, jit_compile)
            for name, (body, start) in parts.items()
            if not (jit_compile and name.startswith("optimizee"))
        }
        found = _measure.alternate(variants, FLAGS.repetitions)
        results[kind] = {
            name: 1e3 * row["median_s"] / _STEPS for name, row in found.items()
        }
    print(f"{columns} coordinates, milliseconds per step")
    print(f"{'part':<44} {'plain graph':>12} {'XLA':>8}")
    for name in parts:
        cells = [results[kind].get(name) for kind in ("plain graph", "XLA")]
        cells = ["" if cell is None else f"{cell:.3f}" for cell in cells]
        print(f"{name:<44} {cells[0]:>12} {cells[1]:>8}")
    _measure.print_json({"columns": columns, "ms_per_step": results})


def _parts(problem, rule, params, columns):
    """Returns, for each part, a step on a nest of tensors, and its start."""
    import tensorflow as tf

    normal = tf.random.stateless_normal
    gradients = 0.01 * normal([1, columns], [0, 0])
    state = [0.1 * normal([20, columns], [1, i]) for i in range(4)]
    gates = normal([80, columns], [2, 0])
    weights = [tf.identity(w) for w in rule.network.weights]
    inputs = [
        normal([w.shape[1], columns], [3, i]) for i, w in enumerate(weights)
    ]
    batch = problem.sample_batch((), tf.constant([3, 4]))

    def optimizee(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = problem.loss(values, (), (), batch, [5, 6]).loss
        gradients = tape.gradient(loss, values)
        return [v - 1e-9 * g for v, g in zip(values, gradients, strict=True)]

    def draw(seed):
        images, _ = problem.sample_batch((), seed)
        return seed + tf.cast(images[0, 0, 0, 0] < 2, tf.int32)

    def preprocess(values):
        features = rule._preprocess(values)
        return values + 1e-9 * features[:1]

    def products(values):
        return [
            x + 1e-9 * tf.reduce_sum(tf.matmul(w, x)[0])
            for w, x in zip(weights, values, strict=True)
        ]

    def activations(values):
        i, f, o, g = tf.split(values[0], 4, axis=0)
        cell = tf.sigmoid(f) * values[1] + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        return [values[0] + 1e-9 * hidden[:1], cell]

    def whole(values):
        updates, new = rule.update_columns(values[0], values[1:])
        return [values[0] + 1e-9 * updates, *new]

    return {
        "optimizee: draw a minibatch": (draw, tf.constant([1, 2])),
        "optimizee: loss and gradient": (optimizee, params),
        "LSTM: preprocessing": (preprocess, gradients),
        "LSTM: matrix products of all layers": (products, inputs),
        "LSTM: gates and cell of one layer": (activations, [gates, state[0]]),
        "LSTM: copy of the state (memory traffic)": (
            lambda values: [v * 1.0001 for v in values],
            state,
        ),
        "LSTM: the whole step": (whole, [gradients, *state]),
        "an empty step (overhead of the loop)": (
            lambda value: value + 1.0,
            tf.constant(0.0),
        ),
    }


def _repeat(body, start, jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(values):
        return tf.while_loop(
            lambda index, _: index < _STEPS,
            lambda index, nest: (index + 1, body(nest)),
            (0, values),
            maximum_iterations=_STEPS,
        )[1]

    return lambda index: tf.nest.map_structure(
        lambda tensor: tensor.numpy().ravel()[:1], run(start)
    )


if __name__ == "__main__":
    app.run(main)
