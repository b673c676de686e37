"""Who may do what: the keys of a database, and what goes wrong, told to whom it concerns."""
