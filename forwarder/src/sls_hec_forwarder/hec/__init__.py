"""HTTP to the Splunk HTTP Event Collector: what its answers mean, and how events get there."""
