"""What central anti-malware and EDR servers say: rows of their exports become fields, by mapping files."""
