"""Reads TensorBoard's files."""

import collections
import pathlib

import tensorflow as tf

PATTERN = "events.out.tfevents.*"


def read(folder):
    """Yields the events of the files in a folder, one file after the other."""
    for file in sorted(pathlib.Path(folder).glob(PATTERN)):
        yield from tf.compat.v1.train.summary_iterator(str(file))


def points(folder):
    """Returns the steps and values of each tag, as they were written."""
    found = collections.defaultdict(list)
    for event in read(folder):
        for value in event.summary.value:
            tensor = tf.make_ndarray(value.tensor)
            found[value.tag].append((event.step, tensor))
    return dict(found)


def scalars(folder):
    """Returns for each tag that holds scalars a value by step.

    No step may come twice.
    """
    found = {}
    for tag, values in points(folder).items():
        if all(
            value.dtype.kind == "f" and value.ndim == 0 for _, value in values
        ):
            found[tag] = {step: float(value) for step, value in values}
            assert len(found[tag]) == len(values), tag
    return found


def plugins(folder):
    """Returns for each tag the tab of TensorBoard that shows it."""
    found = {}
    for event in read(folder):
        for value in event.summary.value:
            name = value.metadata.plugin_data.plugin_name
            if name:
                found[value.tag] = name
    return found
