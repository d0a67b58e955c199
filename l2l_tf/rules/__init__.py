"""How it is optimized: (gradients, state) -> (updates, state)."""
