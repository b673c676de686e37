"""API keys on disk, as digests."""
