#!/usr/bin/env python3
"""Compares the analyses of a server with ffmpeg, librosa and Praat: parity.py BINARY

pip install librosa mir_eval; praat-parselmouth and aubio are shown if they are there. Needs ffmpeg and the library of
espeak-ng. Exits with 1 if a bound is exceeded.
"""
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import urllib.request

import librosa
import librosa.feature.spectral as spectral
import mir_eval
import numpy as np

import sounds
import speech

HOP, RATE = 512, sounds.RATE
failed = []


def report(text, fine):
    print(("ok    " if fine else "FAIL  ") + text, flush=True)
    if not fine:
        failed.append(text)


class Server:
    def __init__(self, binary):
        self.data = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([binary, "--listen", "127.0.0.1:0", "--data-dir", self.data.name], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            event = json.loads(line)
            if event["msg"] == "listening":
                self.url = "http://" + event["listen"]
                break
        else:
            raise RuntimeError("the server does not listen")

    def analyse(self, samples, rate, **fields):
        boundary = "between-the-parts"
        body = io.BytesIO()
        for name, value in fields.items():
            body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
        body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode())
        body.write(wav(samples, rate) + f"\r\n--{boundary}--\r\n".encode())
        request = urllib.request.Request(self.url + "/v1/audio/analyses", body.getvalue(),
                                         {"Content-Type": "multipart/form-data; boundary=" + boundary})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.data.cleanup()


def wav(samples, rate):
    """A WAV file of 32-bit float."""
    samples = np.asarray(samples, "<f4")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    data = samples.tobytes()
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, channels, rate, rate * channels * 4, channels * 4, 32)
    return b"RIFF" + struct.pack("<I", len(head) + 8 + len(data)) + head + b"data" + struct.pack("<I", len(data)) + data


def loudness(server):
    worst_lufs = worst_peak = 0
    for samples, rate in sounds.stereo():
        ours = server.analyse(samples, rate, features="loudness")["loudness"]
        with tempfile.NamedTemporaryFile(suffix=".wav") as f:
            f.write(wav(samples, rate))
            f.flush()
            text = subprocess.run(["ffmpeg", "-nostats", "-i", f.name, "-af", "ebur128=peak=true", "-f", "null", "-"],
                                  capture_output=True, text=True, check=True).stderr
        last = lambda pattern: float(re.findall(pattern, text)[-1])
        worst_lufs = max(worst_lufs, abs(ours["integrated_lufs"] - last(r"I:\s+(-?[\d.]+) LUFS")))
        worst_peak = max(worst_peak, abs(ours["true_peak_dbtp"] - last(r"Peak:\s+(-?[\d.]+) dBFS")))
    report(f"loudness of 30 files against ffmpeg: {worst_lufs:.3f} LU and {worst_peak:.2f} dB of true peak at most (0.1, 0.3)",
           worst_lufs <= 0.1 and worst_peak <= 0.3)


def series(y):
    """The series of librosa. A stream does not know its maximum, so there is no limit below it."""
    decibels = spectral.power_to_db
    spectral.power_to_db = lambda s, **options: decibels(s, **{**options, "top_db": None})
    s = np.abs(librosa.stft(y))
    mel = decibels(librosa.feature.melspectrogram(S=s**2, sr=RATE), top_db=None)
    found = {
        "centroid": librosa.feature.spectral_centroid(S=s, sr=RATE),
        "bandwidth": librosa.feature.spectral_bandwidth(S=s, sr=RATE),
        "rolloff": librosa.feature.spectral_rolloff(S=s, sr=RATE),
        "flatness": librosa.feature.spectral_flatness(S=s),
        "contrast": librosa.feature.spectral_contrast(S=s, sr=RATE),
        "zero_crossings": librosa.feature.zero_crossing_rate(np.pad(y, 1024), center=False),
        "rms": librosa.feature.rms(y=y, pad_mode="constant"),
        "mfcc": librosa.feature.mfcc(S=mel, n_mfcc=20),
        "mel": mel,
        "chroma": librosa.feature.chroma_stft(S=s**2, sr=RATE, tuning=0),
        "onset_strength": librosa.onset.onset_strength(S=mel, sr=RATE)[None],
    }
    spectral.power_to_db = decibels
    return found


def features(server):
    worst = {}
    for y in sounds.mono():
        y = y.astype(np.float32)
        theirs = series(y)
        ours = server.analyse(y, RATE, features="levels", series=",".join(theirs))["series"]
        for name, rows in theirs.items():
            got = np.array(ours[name]["values"], float).T.reshape(rows.shape)
            defined = ~np.isnan(got)
            error = np.sqrt(np.mean((got - rows)[defined] ** 2)) / np.sqrt(np.mean(rows[defined] ** 2) + 1e-30)
            worst[name] = max(worst.get(name, 0), error)
    listed = ", ".join(f"{name} {100 * error:.3f}" for name, error in worst.items())
    report(f"series of 30 files against librosa {librosa.__version__}, RMS error in % of the RMS: {listed} (1)", max(worst.values()) <= 0.01)


def rhythm(server):
    scores, speeds = {}, {}
    for y, bpm, times in sounds.rhythms():
        y = y.astype(np.float32)
        ours = server.analyse(y, RATE, features="onsets,tempo")
        found = {
            "grym-synth": ([p["time"] for p in ours["onsets"]], ours["tempo"]["bpm"] or 0),
            "librosa": (librosa.onset.onset_detect(y=y, sr=RATE, units="time"), np.ravel(librosa.beat.beat_track(y=y, sr=RATE)[0])[0]),
        }
        found.update(by_aubio(y))
        for name, (onsets, speed) in found.items():
            scores.setdefault(name, []).append(mir_eval.onset.f_measure(times, np.array(onsets))[0])
            speeds.setdefault(name, []).append(abs(speed / bpm - 1) <= 0.04)
    for name in scores:
        text = f"20 rhythms, {name}: onsets F1 {np.mean(scores[name]):.3f} (0.9), tempo within 4 % {sum(speeds[name])} (20)"
        report(text, name != "grym-synth" or np.mean(scores[name]) >= 0.9 and all(speeds[name]))


def by_aubio(y):
    try:
        import aubio
    except ImportError:
        return {}
    onset, tempo, times = aubio.onset("default", 1024, HOP, RATE), aubio.tempo("default", 1024, HOP, RATE), []
    for i in range(0, len(y) - HOP, HOP):
        if onset(y[i : i + HOP]):
            times.append(onset.get_last_s())
        tempo(y[i : i + HOP])
    return {"aubio": (times, tempo.get_bpm())}


def pitches(server, y):
    return np.array(server.analyse(y, RATE, features="pitch", series="pitch")["series"]["pitch"]["values"], float)


def pitch(server):
    worst, unvoiced = 0, 0
    for y, expected in sounds.tones():
        got = pitches(server, y)
        want = expected(np.arange(len(got)) * HOP / RATE)
        worst = max(worst, np.nanmax(abs(got / want - 1)[4:-4]))
        unvoiced += np.isnan(got[4:-4]).sum()
    report(f"pitch of tones and glides from 50 to 2000 Hz: {100 * worst:.2f} % at most (1), {unvoiced} frames unvoiced (0)",
           worst <= 0.01 and unvoiced == 0)


def voicing(server):
    wrong = {}
    for y, voiced in speech.utterances(RATE, HOP):
        found = {
            "grym-synth": pitches(server, y),
            "librosa.pyin": librosa.pyin(y, fmin=60, fmax=500, sr=RATE, frame_length=2048, hop_length=HOP)[0],
        }
        found.update(by_praat(y, len(voiced)))
        for name, got in found.items():
            n = min(len(got), len(voiced))
            wrong.setdefault(name, []).append((np.isfinite(got[:n]) != voiced[:n]).mean())
    for name, errors in wrong.items():
        report(f"voicing of {len(errors)} utterances of espeak-ng by their phonemes, {name}: {100 * np.mean(errors):.1f} % of the frames wrong (8)",
               name != "grym-synth" or np.mean(errors) < 0.08)


def by_praat(y, frames):
    try:
        import parselmouth
    except ImportError:
        return {}
    found = parselmouth.Sound(y, RATE).to_pitch_ac(time_step=HOP / RATE, pitch_floor=60, pitch_ceiling=500)
    return {"Praat": np.array([found.get_value_at_time(i * HOP / RATE) for i in range(frames)])}


if __name__ == "__main__":
    running = Server(sys.argv[1])
    try:
        for compare in (loudness, features, rhythm, pitch, voicing):
            if len(sys.argv) < 3 or compare.__name__ in sys.argv[2:]:
                compare(running)
    finally:
        running.stop()
    sys.exit(1 if failed else 0)
