"""The register: agencies, their contacts, shared systems with their dossiers, assets and address ranges."""
