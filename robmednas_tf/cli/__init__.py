"""The commands: flags in, settings out, and the order in which things are done."""
