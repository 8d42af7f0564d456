"""What foodbench's service is worth, measured: ``python -m tests.bench``, which ``nox -s bench`` runs.

Both sides of every comparison are measured in one run on one machine, in turn, so that ratios hold
where the machine is shared or throttled. Photographs are drawn here; weights are random unless given.

throughput   against Flask and ``model.predict``, siege's ten users
ceiling      against decoding and inference alone, and latency at half load
memory       after 500 requests and after 50,000
overload     ten times as many requests as it can compute
cycles       replicas that come and go under load
chaos        replicas killed at random under load
training     the head phase against ImageDataGenerator and ``fit``, on photographs that are given
parallelism  a worker for each core, or one worker with all of them
batching     what an image takes in a batch of several
"""
