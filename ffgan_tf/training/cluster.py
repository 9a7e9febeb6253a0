"""This process's rank among the workers. Unlike `distribution`, needs no TensorFlow."""

import json
import os
import re
from typing import Any

from ffgan_tf.utils.errors import UserError

FORM = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([1-9][0-9]{0,4})")


def worker_rank() -> tuple[int, int]:
    """This worker's number and how many there are, by TF_CONFIG; (0, 1) without it.

    Raises UserError for a TF_CONFIG that tf.distribute cannot use: it would fail deep inside, or wait forever for
    workers.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        content = json.loads(text or "{}")
        if not content and isinstance(content, dict):
            return 0, 1
        workers = _workers(content)
        return workers.index(_task(content)), len(workers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise UserError(f"TF_CONFIG={text[:300]}: {reason}. Fix: write it in this form: {FORM}") from None


def _workers(content: Any) -> list[tuple[str, int]]:
    """(kind, number) of all workers in TensorFlow's order. Raises ValueError, KeyError or TypeError."""
    if not isinstance(content, dict) or not isinstance(content["cluster"], dict):
        raise TypeError("not a JSON object with a cluster and a task")
    if content.get("rpc_layer", "grpc") != "grpc":
        raise ValueError(f"rpc_layer is {content['rpc_layer']!r}, only grpc is known")
    cluster = content["cluster"]
    if foreign := sorted(set(cluster) - {"chief", "worker"}):
        raise ValueError(f"the cluster has {', '.join(foreign)}; training knows chief and worker")
    for kind, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses:
            raise TypeError(f"{kind} is no list of addresses")
        for address in addresses:
            match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
            if not match or int(match[2]) > 65535:
                raise ValueError(f"{address!r} is no host:port")
    if len(cluster.get("chief", [0])) != 1:
        raise ValueError("more than one chief")
    every = [address for addresses in cluster.values() for address in addresses]
    if len(set(every)) != len(every):
        raise ValueError("two workers have one address")
    return [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, [])))]


def _task(content: dict[str, Any]) -> tuple[str, int]:
    """(kind, number) of this process. Raises ValueError, KeyError or TypeError."""
    task = content["task"]
    if not isinstance(task, dict):
        raise TypeError("task is no object")
    kind, index = task["type"], task["index"]
    if isinstance(index, str) and index.isdecimal() and index.isascii():
        index = int(index)  # as TensorFlow reads it, too
    if type(index) is not int or not isinstance(content["cluster"].get(kind), list):
        raise ValueError(f"task {kind!r}, {index!r} is not in the cluster")
    if not 0 <= index < len(content["cluster"][kind]):
        raise ValueError(f"there is no {kind} of index {index}: counting begins at 0")
    return kind, index
