"""The frozen records that flow between the stages, a module per stage. No I/O here.

experiments   what was asked for
datasets      the photographs, verified
models        what training leaves
bundles       a model packaged for a runtime
deployments   a variant, deployed
loads         what the load test measured
traces        memory, CPU and replicas meanwhile
runs          all of it, cell by cell
"""
