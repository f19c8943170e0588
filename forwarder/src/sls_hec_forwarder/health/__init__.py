"""Whatever stops, delays, diverts, repeats or drops events, as named conditions, from facts.

`catalogue` names every condition, `conditions` holds those that stand and writes their log lines, `assess`
derives some from numbers, `model` joins them into what everybody else shows.
"""
