"""Named conditions for whatever stops, delays, diverts, repeats or drops events.

`catalogue` defines them, `conditions` holds the active ones and writes their log lines, `assess` derives
some from measurements, `model` builds the report that every display uses.
"""
