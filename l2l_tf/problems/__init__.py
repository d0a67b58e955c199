"""Optimizee problems: distributions of functions to optimize."""
