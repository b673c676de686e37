"""Bytes on disk: the log, the sealed partitions, the state, the manifest, and their checksums.

The only room that speaks DuckDB or calls fsync. It knows nothing of queries, threads or the meaning
of time. Invariants: a manifest names every live file; a file is complete and fsynced before a
manifest names it; damage is reported by file name and never repaired by forgetting.
"""
