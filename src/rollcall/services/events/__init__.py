"""Security events: what happened, who did it, to whom, and from where.

Every other wing records here, in the transaction of the change itself; so this wing imports none of them. Events are only
ever appended. No event holds a password, a hash or a token.
"""
