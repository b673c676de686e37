"""Questions beyond the k nearest, and their answers: decay, radius, diff, walk."""
