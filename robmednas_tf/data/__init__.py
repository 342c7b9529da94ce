"""Volumes on disk, subjects and cohorts, and the slices that become a network's input."""
