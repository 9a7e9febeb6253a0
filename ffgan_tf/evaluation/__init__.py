"""From images to scores: networks, features, protocols, reports."""

__all__ = ["engine", "features", "images", "paper_table", "protocols", "report", "retrieval"]
