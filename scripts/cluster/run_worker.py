"""Runs a command as one of several workers, with the TF_CONFIG it needs.

  python scripts/cluster/run_worker.py --num_workers=4 \
      --address='train-{}.train:2222' -- \
      python scripts/train.py --strategy=multi_worker ...

The worker's number is --index, or what a Kubernetes job or Slurm tells it.
"""

from __future__ import annotations

import json
import os
import sys

from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_integer("num_workers", 2, "Workers in all.", lower_bound=1)
flags.DEFINE_string(
    "address",
    "localhost:222{}",
    "Address of a worker, host:port, with {} in place of its number.",
)
flags.DEFINE_integer(
    "index",
    None,
    "Number of this worker, from 0. Default: JOB_COMPLETION_INDEX or "
    "SLURM_PROCID of the environment.",
    lower_bound=0,
)

_NUMBERS = ("JOB_COMPLETION_INDEX", "SLURM_PROCID")


def tf_config(num_workers: int, address: str, index: int) -> str:
    """Returns TF_CONFIG of a worker, as TensorFlow documents it."""
    workers = [address.format(number) for number in range(num_workers)]
    return json.dumps(
        {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
    )


def main(argv: list[str]) -> None:
    """Becomes the command."""
    command = argv[1:]
    if not command:
        sys.exit("Error: give the command after --.")
    index = FLAGS.index
    if index is None:
        told = [os.environ[name] for name in _NUMBERS if name in os.environ]
        if not told or not told[0].isdecimal():
            sys.exit(f"Error: give --index, or set {' or '.join(_NUMBERS)}.")
        index = int(told[0])
    if index >= FLAGS.num_workers:
        sys.exit(
            f"Error: --index must be less than --num_workers="
            f"{FLAGS.num_workers}; received {index}."
        )
    os.environ["TF_CONFIG"] = tf_config(FLAGS.num_workers, FLAGS.address, index)
    # In place of this process: signals reach the command itself.
    os.execvp(command[0], command)


if __name__ == "__main__":
    app.run(main)
