"""From a folder, an archive or a seed to a verified data set."""
