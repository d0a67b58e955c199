"""How closely NTM-BFGS's own controller can be fitted to inverse BFGS.

  python benchmarks/fit_bfgs.py

With one read and three write heads, an iteration takes two calls: what is read
comes one call later. Fits all weights of an LSTM, two of whose cells are
averaged, to five iterations on one quadratic function of five dimensions,
parameters and memory alike, by SciPy's least squares in double precision.
Prints the greatest error of any of these numbers, there and on functions that
were not fitted; --output keeps the weights.
"""

from __future__ import annotations

import io

import _bfgs
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_list("layers", ["20"], "Cells of the LSTM's layers.")
flags.DEFINE_integer("evaluations", 150, "Evaluations of the fit.")
flags.DEFINE_integer("seed", 0, "Draws the function.")
flags.DEFINE_string("output", None, "File of NumPy arrays to keep weights in.")

_SIZE, _ITERATIONS, _PERIOD, _OTHERS = 5, 5, 10, 10


def main(argv: list[str]) -> None:
    """Fits and prints."""
    del argv
    import numpy as np
    import scipy.optimize
    import tensorflow as tf

    from l2l_tf.core import files
    from l2l_tf.rules.learned import memory_rules

    rule = memory_rules.NTMBFGS(
        layers=[int(units) for units in FLAGS.layers],
        averaging_cells=2,
        preprocessing="identity",
        scale=1.0,
        dtype="float64",
    )
    variables = rule.trainable_variables
    sizes = np.cumsum([np.prod(v.shape) for v in variables])[:-1]
    function = _bfgs.quadratic(FLAGS.seed, _SIZE)

    def compare(function):
        """Returns the errors of theta and M after each call."""
        steps = _bfgs.inverse_bfgs(function.gradient, _SIZE, _ITERATIONS)
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

    @tf.function(autograph=False)
    def differentiate():
        with tf.GradientTape() as tape:
            found = compare(function)
        rows = tape.jacobian(found, variables)
        count = found.shape[0]
        return tf.concat([tf.reshape(r, [count, -1]) for r in rows], axis=1)

    evaluate = tf.function(lambda: compare(function), autograph=False)
    worsts = []

    def assign(flat):
        for variable, part in zip(
            variables, np.split(flat, sizes), strict=True
        ):
            variable.assign(part.reshape(variable.shape))

    def errors(flat):
        assign(flat)
        found = evaluate().numpy()
        worsts.append(float(np.max(np.abs(found))))
        if len(worsts) % _PERIOD == 0:
            print(f"{len(worsts)} evaluations: {min(worsts):.2g}", flush=True)
        return found

    def jacobian(flat):
        assign(flat)
        return differentiate().numpy()

    draw = np.random.RandomState(0)
    for variable in variables[-2:]:
        variable.assign_add(0.3 * draw.standard_normal(variable.shape))
    fit = scipy.optimize.least_squares(
        errors,
        np.concatenate([np.ravel(v) for v in variables]),
        jacobian,
        x_scale="jac",
        max_nfev=FLAGS.evaluations,
        ftol=None,
        xtol=None,
        gtol=1e-15,
    )
    assign(fit.x)
    print(
        f"greatest error after {len(worsts)} evaluations: "
        f"{np.max(np.abs(fit.fun)):.2g}"
    )
    others = [
        np.max(np.abs(compare(_bfgs.quadratic(FLAGS.seed + 1 + i, _SIZE))))
        for i in range(_OTHERS)
    ]
    print(
        f"on {_OTHERS} functions that were not fitted, median: "
        f"{np.median(others):.2g}"
    )
    if FLAGS.output:
        buffer = io.BytesIO()
        np.savez(buffer, *[v.numpy() for v in variables])
        files.write_bytes(FLAGS.output, buffer.getvalue())


if __name__ == "__main__":
    app.run(main)
