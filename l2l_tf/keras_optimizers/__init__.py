"""Trained rules as Keras optimizers, and what belongs to them."""
