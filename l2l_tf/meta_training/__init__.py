"""Gradient descent on phi: trainer, experiments in folders, recipes, search."""
