"""Batches on their way to the collectors, until each is delivered or a dead letter."""
