"""What a synthetic CT is worth: regions, metrics and the look-up table to beat."""
