"""What turns images into scores: networks, features, protocols, reports."""
