"""One function a cause: from a cell's record to a finding, or None where the evidence does not show it.

availability   requests failed
speed          answers were slow, or the rate was not the service's own
scaling        the autoscaler came late, was held, or could go no further
"""
