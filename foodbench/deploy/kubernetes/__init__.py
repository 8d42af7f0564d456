"""From a bundle to a running service, on a Kubernetes cluster."""
