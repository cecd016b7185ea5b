"""The doors for other shippers' software: Elasticsearch ``_bulk``, Splunk HEC, OTLP logs, Windows events as XML."""
