"""The process itself: signals, systemd, logging, standard error, memory allocation."""
