"""A security operations centre for a province: collect, detect, respond, report."""
