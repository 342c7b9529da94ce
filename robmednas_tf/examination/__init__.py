"""What a cohort holds and what is wrong with it: every problem of every subject."""
