"""Training in several processes of one thread each: everyone draws batches of its own, and the gradients are averaged."""
import os
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _member(rank, count, port, main, a):
    if count > 1:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    main(rank, a)


def start(main, count, a):
    """main(rank, a) in so many processes; rank 0 prints and saves."""
    if count == 1:
        return _member(0, 1, 0, main, a)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(_member, (count, port, main, a), count)


def average(parameters, *numbers):
    """The gradients, in place, and the numbers, averaged over all processes. Whoever decides by the
    numbers, decides the same everywhere: only so do the weights stay the same."""
    if not dist.is_initialized():
        return numbers
    with torch.no_grad():
        parts = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in parts] + [torch.tensor(numbers, dtype=torch.float32)])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        at = 0
        for p, g in zip(parameters, parts):
            p.grad = flat[at:at + g.numel()].view_as(g)
            at += g.numel()
    return flat[at:].tolist()
