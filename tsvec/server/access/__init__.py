"""Who asks, and whether they may: keys, scopes and tenants of requests."""
