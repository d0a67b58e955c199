"""dL/dphi: the unroll, the meta-loss, and one estimator in each file."""
