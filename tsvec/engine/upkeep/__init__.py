"""What happens to stored points in the background: sealed, compacted, expired, reread.

Nothing here changes an answer, except that time itself lets points expire.
"""
