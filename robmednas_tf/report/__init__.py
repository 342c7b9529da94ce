"""Figures, tables and pages: what a search, a training and an evaluation leave to read."""
