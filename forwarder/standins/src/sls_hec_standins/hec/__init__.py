"""A stand-in for the Splunk HTTP Event Collector."""
