"""Identity: proving who somebody is.

Owns passwords (hashing, imported hash formats, the list of common passwords), log-in and its failures, sessions and the
device that a session was opened from, one-time links, and API tokens. Knows the tables ``users``, ``sessions``, ``api_tokens``,
``one_time_links``, ``login_failures`` and ``login_networks``,
and no rule about who may change whom: that is the wing ``users``. Nothing in here logs a password, a hash or a token, puts
one into an exception, or commits.
"""
