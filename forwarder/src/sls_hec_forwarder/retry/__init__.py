"""Retries: pauses after failures, and periodic threads that survive errors."""
