"""Filters: predicates over metadata and attributes, in the manner of MongoDB's query language."""
