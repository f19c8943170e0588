"""Calls to the HTTP Event Collector, one at a time: where it is, the token, what an answer means."""
