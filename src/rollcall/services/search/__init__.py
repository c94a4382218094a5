"""Search: finding users, in pages.

Owns the filters, orders and pages of a list, the search for a term, and the index that serves it. Reads the tally
for totals and for the day on which a page begins. Nothing in here writes to ``users``, and nobody else builds a
statement that pages through them.
"""
