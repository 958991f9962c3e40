"""Compares the service with openai-whisper, onnxruntime and faster-whisper, on the same weights and recordings.

python proof.py clips OUT [AUDIO]      makes 60 recordings of speech and 50 without any in the folder OUT: recordings of people in the
                                       folder AUDIO, and sentences of espeak-ng and flite in rooms and noise
python proof.py reference FOLDER OUT   texts by openai-whisper, in OUT/reference-0.json
python proof.py direct FOLDER OUT      the times of the runs that the service has made, by onnxruntime, in OUT/direct.json
python proof.py faster CT2 OUT         texts and times by faster-whisper in eight bits, in OUT/faster.json
python proof.py report OUT             the figures

FOLDER is what export.py has written. The service's own texts, times and runs are written between the first and the second
step, and again before each measurement, by

GRYM_WHISPER=FOLDER GRYM_WHISPER_CLIPS=OUT go test ./services/whisper -run Proof -count=1

Every implementation has one thread, and the seconds are those of the processor. clips needs espeak-ng and flite, reference
openai-whisper 20250625 and transformers 4.57, direct onnxruntime 1.32, faster faster-whisper 1.2.
"""

import json
import os
import re
import subprocess
import sys
import time
import wave

import numpy as np

RATE = 16000
PEOPLE = {
    "1272-128104-0000": "mister quilter is the apostle of the middle classes and we are glad to welcome his gospel",
    "1272-141231-0002": "the cut on his chest still dripping blood the ache of his overstrained eyes even the soaring arena around him with the "
                        "thousands of spectators were trivialities not worth thinking about",
    "speechbrain_spk1_snt1": "the child almost hurt the small dog",
    "speechbrain_spk2_snt1": "we are sure that one war is enough",
}
SENTENCES = """The train to the coast leaves from the second platform at nine.
Please close the window before the rain comes in.
She found an old map of the island under the floor.
Most of the recordings were made in a small wooden church.
Our neighbour grows tomatoes and beans behind the garage.
The committee will publish its report at the end of March.
He poured the coffee slowly and waited for an answer.
A good hammer is worth more than a box of cheap ones.
They walked along the river until the lights went out.
The museum is closed on Mondays and on public holidays.
Nobody remembered who had locked the door of the cellar.
Turn left at the bakery and go straight past the school.
The engine made a strange noise when the car went uphill.
Winter was long that year and the birds came back late.
I would rather read the letter myself before we decide.
Two brothers opened a small shop near the harbour.
The doctor told him to rest and to drink plenty of water.
This bridge was built by hand more than a century ago.
Can you send me the numbers before lunch tomorrow?
The children painted the fence green and yellow.""".splitlines()
VOICES = [("espeak-ng", v) for v in ("en-us", "en-gb", "en-gb-scotland")] + [("flite", v) for v in ("slt", "rms", "awb", "kal16")]


def save(path, samples):
    with wave.open(path, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def load(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def spoken(program, voice, text, path):
    if program == "flite":
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True)
    else:
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", path, text], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, "-ar", str(RATE), "-ac", "1", path + ".wav"], check=True)
    os.replace(path + ".wav", path)
    return load(path)


def degraded(samples, random, level):
    """Speech in a room and noise; level is from 0 to 1."""
    reverberation = 0.1 + 0.4 * level
    tail = np.exp(-6.9 * np.arange(int(reverberation * RATE)) / (reverberation * RATE)) * random.normal(0, 1, int(reverberation * RATE))
    response = np.concatenate([[1.0], 0.03 * (0.3 + level) * tail])
    wet = np.convolve(np.pad(samples, (RATE // 2, RATE // 2)), response)
    noise = coloured(random, len(wet), random.choice([0, 1]))
    ratio = 35 - 22 * level  # decibels
    wet += noise * np.sqrt(np.mean(samples ** 2) / np.mean(noise ** 2)) * 10 ** (-ratio / 20)
    return 0.6 * wet / np.max(np.abs(wet))


def coloured(random, count, slope):
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** (slope / 2)
    noise = np.fft.irfft(spectrum, count)
    return noise / np.max(np.abs(noise))


def without_speech(random, number):
    count = int(RATE * random.uniform(3, 12))
    seconds = np.arange(count) / RATE
    kind = number % 5
    if kind == 0:
        return np.zeros(count) if number % 10 == 0 else 0.002 * random.normal(0, 1, count)
    if kind == 1:
        return coloured(random, count, random.uniform(0, 2)) * random.uniform(0.02, 0.9)
    out = np.zeros(count)
    step = int(RATE * random.uniform(0.2, 0.5))
    for start in range(0, count, step):
        t = seconds[:min(step, count - start)]
        if kind == 2:  # a melody
            hertz = 220 * 2 ** (random.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
            out[start:start + step] += sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 5)) * np.exp(-4 * t)
        elif kind == 3:  # chords
            for semitones in (0, 4, 7):
                out[start:start + step] += np.sin(2 * np.pi * 165 * 2 ** ((semitones + random.choice([0, 5, 7])) / 12) * t)
        else:  # drums
            out[start:start + step] += np.sin(2 * np.pi * 60 * t) * np.exp(-20 * t) + 0.4 * random.normal(0, 1, len(t)) * np.exp(-50 * t)
    return 0.5 * out / np.max(np.abs(out)) + 0.001 * random.normal(0, 1, count)


def clips(out, people=None):
    os.makedirs(out, exist_ok=True)
    random = np.random.default_rng(11)
    texts = {}
    for name, text in PEOPLE.items():
        path = os.path.join(people or "", name + ".wav")
        if people and os.path.exists(path):
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, "-ar", str(RATE), "-ac", "1", os.path.join(out, f"speech-{name}.wav")], check=True)
            texts[f"speech-{name}.wav"] = text
            texts[f"speech-{name}-room.wav"] = text
            save(os.path.join(out, f"speech-{name}-room.wav"), degraded(load(os.path.join(out, f"speech-{name}.wav")), random, 0.5))
    for number in range(60 - len(texts)):
        program, voice = VOICES[number % len(VOICES)]
        text = SENTENCES[number % len(SENTENCES)]
        if number % 3 == 2:  # several sentences
            text += " " + SENTENCES[(number + 7) % len(SENTENCES)] + " " + SENTENCES[(number + 12) % len(SENTENCES)]
        name = f"speech-{number:02}.wav"
        samples = spoken(program, voice, text, os.path.join(out, name))
        save(os.path.join(out, name), degraded(samples, random, (number % 9) / 8))
        texts[name] = text
    for number in range(50):
        save(os.path.join(out, f"none-{number:02}.wav"), without_speech(random, number))
    write(out, "texts", texts)


def write(out, name, value):
    with open(os.path.join(out, name + ".json"), "w") as file:
        json.dump(value, file)


def read(out, name):
    with open(os.path.join(out, name + ".json")) as file:
        return json.load(file)


def reference(folder, out, shard="0/1"):
    """Texts by the decoder of openai-whisper, of the features of transformers. Several shards can run at once."""
    import torch
    import whisper
    from golden import original
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.set_num_threads(1)
    model = original(WhisperForConditionalGeneration.from_pretrained(folder).eval())
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    number, count = map(int, shard.split("/"))
    texts = {}
    for name in sorted(read(out, "texts"), reverse=True)[number::count]:
        mel = extractor(load(os.path.join(out, name)), sampling_rate=RATE, return_tensors="pt").input_features[0]
        texts[name] = model.decode(mel, whisper.DecodingOptions(language="en", fp16=False, temperature=0)).text.strip()
        write(out, f"reference-{number}", texts)


def direct(folder, out):
    import onnxruntime
    from transformers import WhisperFeatureExtractor

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    open_session = lambda name: onnxruntime.InferenceSession(os.path.join(folder, "onnx", name), options, providers=["CPUExecutionProvider"])
    encoder, decoder = open_session("encoder_model.onnx"), open_session("decoder_model_merged.onnx")
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    heads, width = config["decoder_attention_heads"], config["d_model"] // config["decoder_attention_heads"]
    names = [o.name for o in decoder.get_outputs()]
    known = {i.name for i in decoder.get_inputs()}
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    seconds = {}
    for name, clip in read(out, "ours").items():
        if not clip["windows"]:
            continue
        samples = load(os.path.join(out, name))
        features = [extractor(samples[w["start"]:w["start"] + 30 * RATE], sampling_rate=RATE, return_tensors="np").input_features for w in clip["windows"]]
        begun = time.process_time()
        for w, feature in zip(clip["windows"], features):
            hidden = encoder.run_with_ort_values(None, {"input_features": value(feature)})[0]
            past = {n: value(np.zeros((1, heads, 0, width), np.float32)) for n in known if n.startswith("past")}
            at = 0
            for tokens in [w["prompt"]] + [[t] for t in w["tokens"][:-1] + ([] if w["cut"] else w["tokens"][-1:])]:
                feeds = {"input_ids": value(np.array([tokens], np.int64)), "encoder_hidden_states": hidden,
                         "use_cache_branch": value(np.array([at > 0])), **past}
                if "cache_position" in known:
                    feeds["cache_position"] = value(np.arange(at, at + len(tokens), dtype=np.int64))
                results = dict(zip(names, decoder.run_with_ort_values(None, feeds)))
                results["logits"].numpy()[0, -1].argmax()
                for n in past:
                    present = n.replace("past_key_values", "present")
                    if at == 0 or ".decoder." in n:
                        past[n] = results[present]
                at += len(tokens)
        seconds[name] = time.process_time() - begun
    write(out, "direct", seconds)


def faster(folder, out):
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
    results = {}
    for name in sorted((n for n in os.listdir(out) if n.endswith(".wav")), reverse=True):  # speech first
        samples = load(os.path.join(out, name))
        begun = time.process_time()
        segments, _ = model.transcribe(samples, language="en", beam_size=1, best_of=1, condition_on_previous_text=False)
        text = " ".join(s.text.strip() for s in segments)
        results[name] = {"text": text, "seconds": time.process_time() - begun}
        write(out, "faster", results)


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower().replace("mr.", "mister"))


def errors(want, got):
    row = list(range(len(got) + 1))
    for i, a in enumerate(want, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(got, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def report(out):
    texts, ours, theirs = read(out, "texts"), {}, {}
    for name in os.listdir(out):
        if re.fullmatch(r"ours.*\.json", name):
            ours.update(read(out, name[:-5]))
        if re.fullmatch(r"reference.*\.json", name):
            theirs.update(read(out, name[:-5]))
    texts = {n: t for n, t in texts.items() if n in ours and n in theirs}
    total = sum(len(words(t)) for t in texts.values())
    wer = lambda got: 100 * sum(errors(words(t), words(got[n])) for n, t in texts.items()) / total
    mine = {n: ours[n]["text"] for n in texts}
    equal = [n for n in texts if mine[n] == theirs[n]]
    print(f"texts equal to those of openai-whisper: {len(equal)} of {len(texts)}")
    for n in texts:
        if n not in equal:
            print(f"  {n}, temperature {max(w['temperature'] for w in ours[n]['windows'])}\n    ours   {mine[n]}\n    theirs {theirs[n]}")
    print(f"word error rate in %: {wer(mine):.2f}, openai-whisper {wer(theirs):.2f}")
    silent = [n for n in ours if n.startswith("none-")]
    print(f"without speech: {sum(not ours[n]['text'] for n in silent)} of {len(silent)} without words",
          {n: ours[n]["text"] for n in silent if ours[n]["text"]})
    seconds = lambda names: sum(ours[n]["seconds"] for n in names)
    if os.path.exists(os.path.join(out, "direct.json")):
        runs = read(out, "direct")
        print(f"processor seconds of {len(runs)} recordings of speech: {seconds(runs):.1f}, runs alone {sum(runs.values()):.1f}, "
              f"ratio {seconds(runs) / sum(runs.values()):.3f}")
    if os.path.exists(os.path.join(out, "faster.json")):
        fast = read(out, "faster")
        spent = sum(fast[n]["seconds"] for n in texts if n in fast)
        print(f"faster-whisper in eight bits: {spent:.1f} s, ours {seconds([n for n in texts if n in fast]):.1f}, ratio "
              f"{seconds([n for n in texts if n in fast]) / spent:.3f}")


if __name__ == "__main__":
    {"clips": clips, "reference": reference, "direct": direct, "faster": faster, "report": report}[sys.argv[1]](*sys.argv[2:])
