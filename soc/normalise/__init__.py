"""Pure helpers that give every source the same words: field names, times, addresses, accounts."""
