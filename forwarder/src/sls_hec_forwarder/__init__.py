"""Relays logs from SLS consumer groups to the Splunk HTTP Event Collector."""
