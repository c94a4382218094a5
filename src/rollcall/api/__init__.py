"""The REST interface: routes of a few lines between schemas (what may come in and go out) and services (what happens).

Nobody in here writes SQL or hashes, and every route says who may call it (``access``); a test holds it to that.
"""
