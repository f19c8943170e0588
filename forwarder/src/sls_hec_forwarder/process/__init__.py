"""The process and its surroundings: signals, systemd, its log, standard error, memory allocation."""
