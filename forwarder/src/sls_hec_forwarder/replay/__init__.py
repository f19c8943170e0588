"""Lists dead letters and sends them again, with changes if asked for."""
