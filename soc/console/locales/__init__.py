"""The message catalogues; ``python -m soc.console.locales`` brings them up to date with the templates."""
