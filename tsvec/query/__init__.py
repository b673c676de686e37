"""A request becomes a plan over a window set, is run, and its parts are merged.

Plans are pure values. Answers depend on the points in the window set only, never on whether they
are hot or sealed, nor on how they are spread over partitions. Nothing here writes.
"""
