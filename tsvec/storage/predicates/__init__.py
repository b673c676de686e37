"""Predicates as SQL with bound values, run by DuckDB over columns of JSON texts."""
