"""Writes filters.json: the responses of the filters in decibels, by SciPy.

The Butterworth filters are scipy.signal.butter's. The shelves are the analogue prototypes of
Bristow-Johnson's cookbook, transformed by scipy.signal.bilinear.
"""

import json
import pathlib

import numpy as np
from scipy import signal


def butter(order, hz, rate, kind):
    return signal.butter(order, hz, kind, fs=rate, output="sos")


def shelf(hz, gain_db, q, rate, kind):
    a = 10 ** (gain_db / 40)
    low_num, low_den = [1, np.sqrt(a) / q, a], [a, np.sqrt(a) / q, 1]
    num, den = (low_num, low_den) if kind == "low" else (low_num[::-1], low_den[::-1])
    num = a * np.array(num)
    w = 2 * rate * np.tan(np.pi * hz / rate)  # prewarped
    scale = np.array([1 / w**2, 1 / w, 1])
    b, a = signal.bilinear(num * scale, np.array(den) * scale, fs=rate)
    return signal.tf2sos(b, a)


cases = []


def case(operation, rate, sos):
    hz = np.geomspace(10, 0.49 * rate, 60)
    _, h = signal.sosfreqz(sos, hz, fs=rate)
    db = 20 * np.log10(np.maximum(np.abs(h), 1e-30))
    cases.append({"operation": operation, "rate": rate, "hz": hz.round(6).tolist(), "db": db.round(4).tolist()})


for rate in (8000, 48000, 192000):
    for order in (1, 2, 3, 4, 5, 8):
        case({"op": "high_pass", "frequency": 300, "order": order}, rate, butter(order, 300, rate, "highpass"))
        case({"op": "low_pass", "frequency": 3000, "order": order}, rate, butter(order, 3000, rate, "lowpass"))
    case(
        {"op": "band_pass", "low": 200, "high": 2500, "order": 4},
        rate,
        np.vstack([butter(4, 200, rate, "highpass"), butter(4, 2500, rate, "lowpass")]),
    )
    for kind in ("low", "high"):
        for gain, q in ((6, 0.7071067811865476), (-12, 0.5), (20, 1)):
            case({"op": kind + "_shelf", "frequency": 1000, "gain_db": gain, "q": q}, rate, shelf(1000, gain, q, rate, kind))

pathlib.Path(__file__).with_name("filters.json").write_text(json.dumps(cases) + "\n")
