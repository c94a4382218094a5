"""Users: creating, changing and deleting them, one by one or many at once.

Owns what a valid field is, the invariants that hold for every caller (one active superuser is always left, names
are unique), changes of many users, the first superuser, and the record of what was changed. Callers are checked
again in here, in the transaction that writes. Files, HTTP and forms are somebody else's.
"""
