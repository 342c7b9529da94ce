"""Perturbations of the MR that make a network fail."""
