"""Running functions on a Dask cluster: `cluster.py` is the server's side, `host.py` is the workers' side."""
