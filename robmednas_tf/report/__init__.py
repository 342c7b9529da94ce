"""Figures and tables: what a search leaves to read."""
