"""How closely NTM-BFGS's own controller can be fitted to inverse BFGS.

  python benchmarks/fit_bfgs.py

With one read and three write heads, an iteration takes two calls: what is read
comes one call later. Fits all weights of an LSTM to five iterations on one
quadratic function of five dimensions, parameters and memory alike, by L-BFGS in
double precision. Prints the greatest error of any of these numbers.
"""

from __future__ import annotations

import _bfgs
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_list("layers", ["10", "10"], "Cells of the LSTM's layers.")
flags.DEFINE_integer("evaluations", 5000, "Evaluations of the fit.")
flags.DEFINE_integer("seed", 0, "Draws the function.")

_SIZE, _ITERATIONS, _PERIOD = 5, 5, 500


def main(argv: list[str]) -> None:
    """Fits and prints."""
    del argv
    import numpy as np
    import scipy.optimize
    import tensorflow as tf

    from l2l_tf.rules.learned import memory_rules

    function = _bfgs.quadratic(FLAGS.seed, _SIZE)
    steps = _bfgs.inverse_bfgs(function.gradient, _SIZE, _ITERATIONS)
    rule = memory_rules.NTMBFGS(
        layers=[int(units) for units in FLAGS.layers],
        averaging_cells=2,
        preprocessing="identity",
        scale=1.0,
        dtype="float64",
    )
    variables = rule.trainable_variables
    sizes = np.cumsum([np.prod(v.shape) for v in variables])[:-1]

    def errors():
        theta = tf.zeros([_SIZE], tf.float64)
        state, found = rule.initial_state([theta]), []
        for call in range(2 * _ITERATIONS):
            # The second call of each iteration writes and moves.
            moves = (call + 1) // 2
            gradient = tf.linalg.matvec(
                tf.constant(function.hessian), theta - function.minimum
            )
            [update], state = rule([gradient], state)
            theta += update
            memory = steps[max(0, moves - 1)][1] - np.eye(_SIZE)
            found.append(theta - steps[moves][0])
            found.append(tf.reshape(state["memory"][0][0] - memory, [-1]))
        return tf.concat(found, axis=0)

    @tf.function(jit_compile=True)
    def evaluate():
        with tf.GradientTape() as tape:
            found = errors()
            square = tf.reduce_sum(tf.square(found))
        worst = tf.reduce_max(tf.abs(found))
        return square, tape.gradient(square, variables), worst

    worsts = []

    def objective(flat):
        for variable, part in zip(
            variables, np.split(flat, sizes), strict=True
        ):
            variable.assign(part.reshape(variable.shape))
        square, gradients, worst = evaluate()
        worsts.append(float(worst))
        if len(worsts) % _PERIOD == 0:
            print(f"{len(worsts)} evaluations: {min(worsts):.2g}", flush=True)
        return float(square), np.concatenate([np.ravel(g) for g in gradients])

    draw = np.random.RandomState(0)
    for variable in variables[-2:]:
        variable.assign_add(0.3 * draw.standard_normal(variable.shape))
    scipy.optimize.minimize(
        objective,
        np.concatenate([np.ravel(v) for v in variables]),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxfun": FLAGS.evaluations,
            "maxiter": FLAGS.evaluations,
            "maxcor": 50,
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    print(f"greatest error after {len(worsts)} evaluations: {min(worsts):.2g}")


if __name__ == "__main__":
    app.run(main)
