"""What a synthetic CT is worth: regions, metrics, statistics and the look-up table to beat."""
