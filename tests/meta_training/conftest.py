"""What tests of TensorBoard's files share."""

import pytest

from l2l_tf.meta_training import config
from l2l_tf.meta_training import preparation
from l2l_tf.meta_training import settings
from l2l_tf.problems import quadratic


@pytest.fixture(scope="session")
def small_config():
    """Returns the configuration of a small training."""
    problem = quadratic.Quadratic(num_functions=2, num_dims=3)
    return config.Config(
        problem.config(),
        preparation.complete_rule({"layers": [4]}, problem),
        settings.make(
            {
                "num_epochs": 3,
                "num_steps": 6,
                "unroll_length": 2,
                "num_optimizees": 2,
                "jit_compile": False,
                "evaluation_period": 2,
                "evaluation_epochs": 2,
                "learning_rate": 0.01,
            }
        ),
        command="python train.py | tee log",
        recipe="small/first",
    )


@pytest.fixture
def small_trainer(small_config):
    """Returns what trains it, from fresh weights."""
    problem = quadratic.Quadratic(**small_config.problem["options"])
    return preparation.make_trainer(problem, small_config)
