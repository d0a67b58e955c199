"""What the tests train and evaluate, with and without replicas.

    python _on_replicas.py FILE STRATEGY COUNTS CASES

writes the numbers of each case for each number of replicas to FILE.npz.
"""

import math
import sys

import numpy as np
import tensorflow as tf

from l2l_tf.core import strategies
from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import learning_curves
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import registry

PROBLEM = quadratic.Quadratic(num_functions=3, num_dims=2)

# For each case, settings beside those of all.
TRAINED = {
    "replay": {"meta_gradient": "replay"},
    "compiled": {"meta_gradient": "replay", "jit_compile": True},
    "autodiff": {"meta_gradient": "autodiff"},
    "es": {"meta_gradient": "es", "num_pairs": 4, "num_optimizees": 2},
    "pes": {"meta_gradient": "pes", "num_pairs": 4, "num_optimizees": 1},
    "broken": {"meta_gradient": "autodiff"},
}


class SometimesBroken(simple.Simple):
    """A tenth of its functions are not a number."""

    def sample_task(self, seed):
        return tf.random.stateless_uniform([], seed)

    def loss(self, params, model_state, task, batch, seed):
        outcome = super().loss(params, model_state, task, batch, seed)
        loss = tf.where(task < 0.1, math.nan, outcome.loss)
        return outcome._replace(loss=loss)


def train(distribution, case):
    """Returns all that a training of 20 runs gives."""
    values = {
        "num_epochs": 20,
        "num_steps": 4,
        "unroll_length": 2,
        "learning_rate": 0.01,
        "num_optimizees": 4,
        "evaluation_period": 20,
        "evaluation_epochs": 3,
        "num_lanes": 1 if case in ("replay", "compiled") else None,
        "jit_compile": False,
    }
    with distribution.scope():
        rule = registry.make_rule({"layers": []})
    trainer = meta_training.MetaTrainer(
        rule,
        SometimesBroken() if case == "broken" else PROBLEM,
        settings_lib.Settings(**{**values, **TRAINED[case]}),
        distribution,
    )
    reports = list(trainer.train())
    return {
        "phi": np.concatenate(
            [np.ravel(v.numpy()) for v in rule.trainable_variables]
        ),
        "losses": [report.meta_loss for report in reports],
        "norms": [report.gradient_norm for report in reports],
        "skipped": [report.skipped for report in reports],
        "validation": reports[-1].validation,
    }


def compare(distribution, case):
    """Returns what a comparison with a searched rate gives."""
    del case
    with distribution.scope():
        rule = registry.make_rule({"layers": []})
    results = comparison.compare(
        PROBLEM,
        "test",
        4,
        5,
        seed=1,
        learned={"L2L": rule},
        baselines=["sgd"],
        search_runs=3,
        jit_compile=False,
        distribution=distribution,
    )["optimizers"]
    recorder = learning_curves.Recorder(
        lambda rate: rule, PROBLEM, 3, chunk=2, distribution=distribution
    )
    return {
        "rate": results["sgd"]["learning_rate"],
        "sgd": results["sgd"]["mean"],
        "learned": results["L2L"]["mean"],
        "params": recorder.record(0, 3, keep_params=True).params[0],
    }


def main(file, strategy, counts, cases):
    """Makes the numbers, for the most replicas first."""
    found = {}
    for count in map(int, counts.split(",")):
        if count == 1:
            distribution = strategies.make()
        elif strategy == "mirrored":
            distribution = strategies.make(strategy, count)
        else:
            distribution = strategies.make(strategy)
        assert distribution.count == count
        for case in cases.split(","):
            make = train if case in TRAINED else compare
            for name, values in make(distribution, case).items():
                found[f"{case}/{count}/{name}"] = values
    np.savez(file, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
