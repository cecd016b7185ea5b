"""One module is one product's records: bytes to events. How to add one: docs/how-to-add/a-source.md."""
