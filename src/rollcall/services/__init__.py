"""What the product does: plain functions on a ``Session``, values and a point in time.

In here nobody knows Flask or marshmallow, reads a clock or the environment, or commits: whoever calls does.
Refusals are exceptions of ``rollcall.errors``.
"""
