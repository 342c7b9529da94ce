"""What scanners and patients do to an MR: noise, bias fields, motion, ghosts, spikes, ringing."""
