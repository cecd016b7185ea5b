"""Forms filled from cases, documents made from forms, and their way to the national centre."""
