"""Architectures as values, what they cost, and the networks built from them."""
