"""Training a network: the step, the optimizer, the epochs, and what a kill must not cost."""
