"""Update rules: (gradients, state) -> (updates, state)."""
