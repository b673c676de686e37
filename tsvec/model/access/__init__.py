"""Who asks, and what they may do: tenants, API keys, callers."""
