"""Commands that change what is stored, and one that lists what can be brought back.

`tsvec.cli.app` registers them beside its own.
"""
