#!/usr/bin/env python3
"""Make the test clips beside this script, and the list of them, clips.json.

    python3 make_clips.py            write the clips and clips.json
    python3 make_clips.py --check    make them again and compare with the files

Needs the commands espeak-ng and sox. The committed files came from
espeak-ng 1.51 and sox 14.4.2; other versions may give other samples.

The voices are the ones kept out of the model's training. Everything is drawn
from one seeded generator, and a draw is thrown away only for its length, so
no clip was chosen for being easy. The recognised texts in clips.json are added
afterwards by models/parity/wav2vec2.mjs; a rerun leaves them out.
"""
import array
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import wave

HERE = pathlib.Path(__file__).resolve().parent
RATE = 16000
SHORT, LONG = 20, 4  # clips of 1 to 5 s, then clips of 6 to 9 s
VOICES = ["en+m7", "en-us+m7", "en+f5", "en-us+f5",
          "en-gb-scotland", "en-gb-scotland+m1", "en-gb-scotland+f2"]
WORDS = (HERE.parent / "words.txt").read_text().split()
DIGITS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE"
# Command phrases: one word is drawn from each slot.
COMMANDS = [
    ["FRONT REAR SIDE TOP", "LEFT RIGHT CENTER"],
    ["PLAY STOP RECORD MUTE SOLO LOOP OPEN CLOSE SAVE LOAD", "TRACK CHANNEL SAMPLE", DIGITS],
    ["PIANO GUITAR DRUM VIOLIN FLUTE TRUMPET ORGAN SYNTH", "LOUDER SOFTER FASTER SLOWER"],
    ["SET", "VOLUME GAIN PAN TREBLE FILTER REVERB", "LEFT RIGHT HIGH LOW CENTER"],
    ["SET", "TEMPO", DIGITS, DIGITS],
    [DIGITS, DIGITS, DIGITS, DIGITS],
]


def phrase(rnd):
    """A command about one time in three, else one to five words at random."""
    if rnd.random() < 0.35:
        return " ".join(rnd.choice(slot.split()) for slot in rnd.choice(COMMANDS))
    count = rnd.choices([1, 2, 3, 4, 5], [25, 25, 25, 15, 10])[0]
    return " ".join(rnd.choice(WORDS) for _ in range(count))


def speak(text, voice, speed, pitch, loudness):
    """The spoken text as 16-bit samples, ending 0.1 s after the last sound."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = folder + "/spoken.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch),
                        "-a", str(loudness), "-w", spoken, text.lower()], check=True)
        # -R and -D: no random dither, so the samples come out the same each time.
        raw = subprocess.run(["sox", "-R", "-D", spoken, "-t", "raw", "-r", str(RATE),
                              "-e", "signed-integer", "-b", "16", "-c", "1", "-L", "-"],
                             check=True, stdout=subprocess.PIPE).stdout
    samples = array.array("h", raw)
    if sys.byteorder == "big":
        samples.byteswap()
    last = max((i for i, s in enumerate(samples) if abs(s) > 200), default=0)
    return samples[:last + RATE // 10]


def wav(samples):
    if sys.byteorder == "big":
        samples = array.array("h", samples)
        samples.byteswap()
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(samples.tobytes())
    return out.getvalue()


def draw(rnd, voice, phrases, low, high):
    """Draw until the speech lasts low to high seconds."""
    while True:
        texts = [phrase(rnd) for _ in range(rnd.randint(*phrases))]
        # A comma makes espeak-ng pause between two phrases.
        samples = speak(", ".join(texts), voice, rnd.randint(120, 200),
                        rnd.randint(20, 80), rnd.randint(60, 100))
        if low * RATE <= len(samples) <= high * RATE:
            return " ".join(texts), samples


def main():
    rnd = random.Random(20)
    files, clips = {}, []
    for i in range(SHORT + LONG):
        voice = VOICES[i % len(VOICES)]
        if i < SHORT:
            text, samples = draw(rnd, voice, (1, 1), 1, 5)
        else:
            text, samples = draw(rnd, voice, (3, 5), 6, 9)
        name = "clip%02d.wav" % (i + 1)
        files[name] = wav(samples)
        clips.append({"file": name, "voice": voice, "text": text})

    if "--check" in sys.argv[1:]:
        bad = [n for n, data in files.items() if (HERE / n).read_bytes() != data]
        had = json.loads((HERE / "clips.json").read_text())
        if [{k: c[k] for k in ("file", "voice", "text")} for c in had] != clips:
            bad.append("clips.json")
        print("differ: " + " ".join(bad) if bad else "%d clips are the same" % len(files))
        sys.exit(bool(bad))

    for name, data in files.items():
        (HERE / name).write_bytes(data)
    (HERE / "clips.json").write_text(json.dumps(clips, indent=1) + "\n")
    print("%d clips, %d bytes" % (len(files), sum(map(len, files.values()))))


if __name__ == "__main__":
    main()
