"""The console: HTML pages and the JSON API, a thin layer over the desks."""
