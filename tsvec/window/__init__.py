"""The life of points: hot, then sealed; and the immutable window set that a query reads.

A window set is a value: once published it never changes, whatever is written or sealed meanwhile.
This room never decides what a query means and never calls fsync itself. One thread appends to a
hot set; any number read the slices it published.
"""
