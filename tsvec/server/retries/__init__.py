"""The header that names a request, and what becomes of one that comes again."""
