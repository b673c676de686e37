"""Lists, page by page: what a page holds, in which order, and where the next one begins."""
