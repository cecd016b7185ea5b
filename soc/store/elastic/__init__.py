"""The event store of the full site: an Elasticsearch cluster, 9 or later."""
