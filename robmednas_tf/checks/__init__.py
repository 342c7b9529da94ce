"""Whether an attack's figure can be believed: what a broken attack or a broken model shows."""
