"""Statistics: the number of users by status and by day of creation.

Owns the tally that database triggers maintain, the six numbers and the chart that are computed from it, and the check of the
tally against the table. Counts rows of ``users`` only for a part of a day, which the tally does not record. Imports no other
wing.
"""
