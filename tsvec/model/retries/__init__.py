"""Requests that may be sent again without a second effect."""
