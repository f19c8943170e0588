"""What `check` does: every step on the way to SLS and to the collectors, tried before anything runs."""
