"""Which event store a site has: the embedded index, or an Elasticsearch cluster when the settings name one."""

from __future__ import annotations

from soc.ports import EventStore
from soc.settings import Settings


def open_store(settings: Settings, *, writable: bool) -> EventStore:
    """The site's event store.

    Raises:
        SettingsError: the account of the cluster cannot be used.
        StoreError: the embedded index cannot be opened.
    """
    if not settings.elasticsearch:
        from soc.store.embedded import EmbeddedStore

        return EmbeddedStore(
            settings.events_home, months=settings.retention_months, writable=writable
        )
    from soc.store.elastic.cluster import Account  # seconds to import: only where it is used
    from soc.store.elastic.store import ElasticStore, Layout

    account = Account(
        settings.elasticsearch,
        settings.elasticsearch_user,
        settings.elasticsearch_password_file,
        settings.elasticsearch_ca,
    )
    layout = Layout(
        settings.elasticsearch_prefix,
        shards=settings.elasticsearch_shards,
        replicas=settings.elasticsearch_replicas,
    )
    return ElasticStore(account, months=settings.retention_months, writable=writable, layout=layout)
