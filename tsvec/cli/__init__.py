"""The `tsvec` command: parse, compose, start, show.

Commands are written once against `target.Target`, which a `Database` in this process and a
`RemoteDatabase` over HTTP both satisfy. Nothing here knows how points are stored or found.
"""
