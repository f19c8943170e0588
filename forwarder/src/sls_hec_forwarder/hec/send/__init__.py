"""Sends batches to the collectors until every event is delivered or a dead letter."""
