"""Update rules with weights phi: a small network on every column."""
