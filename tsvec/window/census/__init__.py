"""All entities at once: their ids in order, and how many points are to be seen of each."""
