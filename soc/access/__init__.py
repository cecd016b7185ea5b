"""Who may do what, on whose behalf: accounts, sign-in, sessions, roles, scope."""
