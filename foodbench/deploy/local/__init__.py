"""Replicas as supervised processes, a load balancer in front, the HPA algorithm above."""
