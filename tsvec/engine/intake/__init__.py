"""Points on their way in: JSON, NDJSON, Arrow, numpy columns and records become one batch.

Nothing here knows the writer or the disk. What cannot be stored is refused row by row, by field and
row number, before any other room sees it.
"""
