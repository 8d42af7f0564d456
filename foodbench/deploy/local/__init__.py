"""Replicas as supervised processes, a load balancer in front, the HPA algorithm above.

target        what the commands use: deploy, state, usage, delete
supervisor    the process behind each deployment, which outlives the command; ``supervising`` is what it does
replica       one replica's life: started under limits, probed, restarted, drained
limits        CPU and memory limits, by cgroup or duty cycle
haproxy       the load balancer; ``proxy`` where there is no HAProxy
autoscaler    the HPA algorithm on local replicas
processes     finds and ends processes by the marks they carry
"""

from foodbench.deploy.local.target import LocalTarget, Orphans

__all__ = ["LocalTarget", "Orphans"]
