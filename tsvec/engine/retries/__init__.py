"""Requests that come again get the reply they had: what is kept of them, where and how long."""
