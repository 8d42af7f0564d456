"""What the replicas use while they are under load."""
