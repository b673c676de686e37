"""Changes on their way to the log: one thread, in groups, durable before they are visible.

What a request changes is decided here, on the collection as the requests before it left it.
"""
