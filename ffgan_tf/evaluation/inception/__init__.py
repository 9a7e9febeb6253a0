"""The Inception networks that scores are defined by."""
