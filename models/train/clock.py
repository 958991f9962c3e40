"""Training against the clock: progress, resumable state, moving averages of weights.

The clock is the process's own processor time, so that a busy machine trains as far
as an idle one, or the wall's where training must end by some hour. One thread is assumed.
"""
import contextlib
import copy
import math
import os
import time

import torch


class Clock:
    """Counts the seconds trained, those of earlier runs included."""

    def __init__(self, minutes, trained=0., wall=False):
        self.now = time.time if wall else time.process_time
        self.total, self.before, self.begin = minutes * 60, trained, self.now()

    def seconds(self):
        return self.before + self.now() - self.begin

    @contextlib.contextmanager
    def stopped(self):
        """What happens meanwhile is not counted."""
        at = self.now()
        yield
        self.begin += self.now() - at

    def progress(self):
        return min(1., self.seconds() / self.total)

    def rate(self, *a, **k):
        return rate(self.progress(), *a, **k)


def rate(progress, peak, step, warm=100, flat=0.):
    """Learning rate: linear warm-up, peak for a share of the time, then half a cosine to 1 %."""
    p = max(0., (progress - flat) / (1 - flat))
    return peak * min(1., (step + 1) / warm) * (.01 + .99 * .5 * (1 + math.cos(math.pi * p)))


class Average:
    """Exponential moving average of a module's parameters, faster at the start."""

    def __init__(self, module, decay):
        self.module, self.decay = copy.deepcopy(module), decay
        for p in self.module.parameters():
            p.requires_grad_(False)

    def update(self, module, step):
        d = min(self.decay, (step + 1) / (step + 10))
        mine, theirs = list(self.module.parameters()), [p.detach() for p in module.parameters()]
        with torch.no_grad():
            torch._foreach_mul_(mine, d)
            torch._foreach_add_(mine, theirs, alpha=1 - d)


def save(state, path):
    """Whole or not at all."""
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)
