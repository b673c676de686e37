"""The log: frames in a chain of checksums, in segments, durable one fdatasync a group.

Also the changefeed: what it holds can be read again from any place. It knows nothing of what a
frame's payload means.
"""
