"""From a bundle to a running service, on this machine or on a cluster."""
