"""Jobs by name, and the duties of the worker process."""
