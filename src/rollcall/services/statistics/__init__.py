"""Statistics: how many users there are, in which state and since when.

Owns the tally that database triggers keep, the six numbers and the sign-up chart computed from it, and their check
against a recount. Counts nothing by reading ``users`` except the part of a day that the tally cannot tell, and knows
no other wing.
"""
