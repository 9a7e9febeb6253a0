"""Published data sets, and any folder of captioned images, into records."""
