"""The load: Locust in a process of its own, every request kept."""
