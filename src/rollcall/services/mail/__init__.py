"""Mail: the queue of messages that one loop sends, apart from any request (``cli/mail``).

Owns the table ``mails``. A message is written in the transaction of what it tells, so that neither exists without the other.
Knows no SMTP, no template and no address of this service; what a message is about, other wings say. Nothing in here commits.
"""
