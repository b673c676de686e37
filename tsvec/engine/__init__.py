"""Composition: open, recover, write, work in the background; the facade that users call.

One writer thread gives every change its seq and makes it durable; one worker thread seals. Readers
take the published window set and need neither. The engine is synchronous; serving is not its job.
"""
