"""Which rows a filter lets pass: evaluated once, remembered as long as there is room."""
