"""Replies to be repeated, as bytes on disk."""
