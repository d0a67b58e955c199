"""Learned optimizers for TensorFlow and Keras."""
