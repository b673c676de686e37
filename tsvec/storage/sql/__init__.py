"""SQL of the user's own over the partitions of a collection: read-only, and shut off from files."""
