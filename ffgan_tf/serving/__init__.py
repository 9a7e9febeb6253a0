"""The page and its API: a loaded run behind HTTP. Needs the extra `serve` (Flask, waitress)."""

__all__ = ["app", "guard", "openapi", "requests", "server", "service", "worker"]
