"""docker-compose.yml without Docker: each container of it as a host of its own, with its own address on a bridge.

hosts       a host: a network, a mount and a name of its own; its link to the bridge can be cut
image       what the images of the file hold, put together from their Dockerfiles and the programs of this machine
town        all hosts of the file, started in its order with its commands, users, secrets, health checks and ways to stop
standin     the proxy, where Caddy is not installed
journey     the run: jobs flow in, one host after the other is cut off and comes back, then the judgement of tests/chaos

Everything happens inside namespaces that end with the run: `python -m tests.topology`, as root or with user namespaces.
"""
