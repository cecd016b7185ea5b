"""One module a noun: ask one desk, render one template."""
