"""How much is taken on at once: rates of callers, queries that wait, bytes of bodies, deadlines."""
