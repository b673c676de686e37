"""A database behind a URL, with the methods of the embedded one."""
