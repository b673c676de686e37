"""Single points and lists of points and entities: how they are asked for and answered."""
