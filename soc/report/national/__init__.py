"""The link to the national centre: adapters, the outbox, and a fake centre for demos and tests."""
