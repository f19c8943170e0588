"""Everything that speaks to the Splunk HTTP Event Collector: its calls (`api`) and delivery (`send`)."""
