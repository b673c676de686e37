"""From flags, environment and file to the settings of a database."""
