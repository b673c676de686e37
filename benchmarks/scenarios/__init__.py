"""The scenarios, a module each, with a `run(context)` that returns what it found."""
