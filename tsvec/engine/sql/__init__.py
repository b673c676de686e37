"""Reading a collection by SQL beside the process that has its directory open, taking no lock."""
