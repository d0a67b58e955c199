"""The paper's figures: what they show, running them, the report."""
