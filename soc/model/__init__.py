"""The words that flow through the platform. Each is explained in docs/glossary.md."""
