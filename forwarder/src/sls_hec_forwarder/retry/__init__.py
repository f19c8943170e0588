"""Doing the same again: how long to pause after a failure, and threads that outlive their errors."""
