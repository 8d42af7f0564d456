"""The service that runs in a replica. Needs nothing of foodbench but imaging."""
