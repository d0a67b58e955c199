"""Tests of l2l_tf/keras_optimizers/update_histograms.py."""

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.keras_optimizers import update_histograms
from tests import events


def test_variables_of_a_first_step_are_compared_in_the_second(tmp_path):
    histograms = update_histograms.UpdateHistograms(2)
    writer = tf.summary.create_file_writer(str(tmp_path))
    variables = []
    with writer.as_default():
        for epoch in range(3):
            histograms.begin_epoch(epoch)
            for step in range(3):
                histograms.before_step(variables)
                if not variables:
                    variables.append(keras.Variable(np.zeros([4]), name="late"))
                change = [1.0, 2.0, np.nan, 10.0 * epoch + step]
                variables[0].assign(np.nan_to_num(variables[0]) + change)
                histograms.after_step(variables)
    writer.close()
    (values,) = events.points(tmp_path).values()
    assert [step for step, _ in values] == [0, 2]
    for (_, buckets), largest in zip(values, (2.0, 20.0), strict=True):
        # What is not finite has no place in a histogram.
        assert buckets[:, 2].sum() == 3
        assert buckets[-1, 1] == largest
