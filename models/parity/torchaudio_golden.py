#!/usr/bin/env python3
"""Keeps what torchaudio makes of twenty sounds as GAMA's code prepares them.

    python3 torchaudio_golden.py    writes services/gama/testdata/torchaudio.json.gz

For each sound the features of five frames, and of the padding. They are computed in
double precision: in single precision torchaudio is up to 1.7e-3 from itself where
there is next to no energy. Needs torchaudio.
"""

import gzip
import json
import pathlib

import torch
import torchaudio

import whole_sounds

OUT = pathlib.Path(__file__).resolve().parents[2] / "services" / "gama" / "testdata" / "torchaudio.json.gz"


def features(samples):
    """GAMA's preparation: the clip's mean goes, the log-mel is padded with 0, then normalised. [1024, 128]"""
    wave = torch.tensor(samples, dtype=torch.float64)[None] / 32768
    wave = wave - wave.mean()
    mel = torchaudio.compliance.kaldi.fbank(
        wave, htk_compat=True, sample_frequency=whole_sounds.RATE, use_energy=False, window_type="hanning", num_mel_bins=128, dither=0.0, frame_shift=10)
    mel = torch.nn.functional.pad(mel[:1024], (0, 0, 0, max(0, 1024 - mel.shape[0])))
    return (mel + 5.081) / 4.4849


def main():
    golden = []
    for k in range(20):
        samples = whole_sounds.clip(k)
        frames = 1 + (len(samples) - 400) // 160
        mel = features(samples)
        at = sorted({0, 1, frames // 3, frames // 2, frames - 1})
        golden.append({"samples": len(samples), "sum": sum(samples), "frames": at, "values": [[round(v, 6) for v in mel[i].tolist()] for i in at], "padding": mel[1023, 0].item()})
    OUT.parent.mkdir(exist_ok=True)
    with gzip.GzipFile(OUT, "wb", 9, mtime=0) as f:
        f.write(json.dumps(golden, separators=(",", ":")).encode())
    print(f"{len(golden)} sounds, torchaudio {torchaudio.__version__}")


if __name__ == "__main__":
    main()
