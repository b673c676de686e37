"""The words of the database: frozen records, ids, times, errors, settings, limits.

Everything another room passes across a boundary is defined here. No I/O, no clock, no threads:
a value of this room can be built, compared and printed anywhere. The pydantic records are the JSON
shapes of the API, decoded and encoded directly; `PointBatch` is the columnar form used inside.
"""
