"""foodbench: which model, in which runtime, deployed in which way, gives the accuracy you need at the lowest cost."""
