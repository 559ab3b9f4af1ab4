"""The server as a deployment of Ray Serve: replicas on the machines of a Ray cluster, each with a queue of its own.

Needs the extra `ray` on every machine, and the checkpoints under the same path:

    serve run scripts.deploy.ray_serve:app checkpoint=/models/en-de replicas=4 workers=4
    python scripts/deploy/ray_serve.py --checkpoint checkpoints/demo --replicas 2        # on this machine alone

Ray scales by the requests that are going on in a replica; each replica keeps its own bound, quotas and metrics, as
replicas behind a balancer do (`docs/serving.md`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ray import serve

from mt.serving.app import make_app
from mt.serving.service import Service
from mt.serving.settings import Settings


def app(args: dict[str, Any]) -> serve.Application:
    """The application: `checkpoint` (a run folder), `replicas`, `workers` of each, `device`."""
    known = {"checkpoint", "replicas", "workers", "device"}
    if "checkpoint" not in args or not args.keys() <= known:
        raise ValueError(f"arguments ({', '.join(args)}) must be checkpoint, and may be {', '.join(sorted(known))}")
    workers, device = int(args.get("workers", 1)), str(args.get("device", "cpu"))
    settings = Settings(checkpoints=(Path(args["checkpoint"]),), workers=workers, options={"device": device})

    def build() -> Any:
        """Runs in each replica."""
        return make_app(Service(settings), starts_service=True)

    @serve.deployment(
        name="mt-serve",
        num_replicas=int(args.get("replicas", 1)),
        max_ongoing_requests=512,  # the server's own queue refuses, by lines
        ray_actor_options={"num_cpus": workers, "num_gpus": 1 if device.startswith("cuda") else 0},
        graceful_shutdown_timeout_s=35,
    )
    @serve.ingress(build)
    class Replica:
        """One server: the application answers, Ray starts and ends it."""

    return Replica.bind()


def main() -> None:
    """Serves from this machine until it is interrupted."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", required=True)
    flags.add_argument("--replicas", type=int, default=1)
    flags.add_argument("--workers", type=int, default=1, help="of each replica")
    flags.add_argument("--port", type=int, default=8000)
    args = flags.parse_args()
    serve.start(http_options={"host": "127.0.0.1", "port": args.port})
    given = {"checkpoint": str(Path(args.checkpoint).resolve()), "replicas": args.replicas, "workers": args.workers}
    serve.run(app(given))
    print(f"ready: http://127.0.0.1:{args.port}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
