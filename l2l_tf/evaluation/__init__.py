"""Learning curves, baselines at their searched rates, comparisons, plots."""
