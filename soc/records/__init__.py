"""Records in SQL: one module a noun, SQLite and PostgreSQL alike."""
