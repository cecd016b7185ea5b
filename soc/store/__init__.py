"""Events by time, found by Lucene query strings: the embedded store (tantivy)."""
