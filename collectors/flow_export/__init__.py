"""What routers export about flows: NetFlow v5, v9 and IPFIX, read without knowing who reads."""
