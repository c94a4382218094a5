"""Transfer: moving users in and out in large numbers.

Owns reading files (CSV, JSON, NDJSON) as rows with their line numbers, checking and importing them, exports,
synthetic users, COPY, and building indexes after a large load. Every file is hostile until a row has passed
``users.fields``. Memory does not grow with the file, and an import writes all of its rows or none. Uses every other
wing; none of them may import this one.
"""
