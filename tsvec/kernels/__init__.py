"""Arrays in, arrays out: distances, the exact scan, the order of hits.

Pure functions on numpy arrays. No records, no I/O, no clock; faiss is spoken here only.
"""
