"""Speech of espeak-ng with the phoneme at each time, by its library."""
import ctypes as c

import numpy as np

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "She sells sea shells by the sea shore every single morning.",
    "Pattern learning finds a sound everywhere in long recordings.",
    "Yesterday seven people asked for a table near the window.",
    "Big cats can teach a patient farmer to fix the kitchen stove.",
    "Forty-six students took the fastest bus to the city this weekend.",
    "A gentle wind pushed the sailing boat past the old stone lighthouse.",
    "Thick fog covered the path, so they kept to the right side of the road.",
]
VOICES = [("en-us", 30), ("en-us+f3", 60), ("gmw/en", 45), ("gmw/en+m3", 50), ("en-us+f2", 70)]
UNVOICED = {"p", "t", "k", "f", "s", "ʃ", "θ", "h", "tʃ", "x", "ç", "ʔ", "", "_"}
WORDS_PER_MINUTE, PITCH, PITCH_RANGE = 1, 3, 4  # parameters of the library
SPEED = 165


class Value(c.Union):
    _fields_ = [("number", c.c_int), ("name", c.c_char_p), ("string", c.c_char * 8)]


class Event(c.Structure):
    _fields_ = [(name, c.c_int) for name in ("type", "unique", "text", "length", "milliseconds", "sample")]
    _fields_ += [("user", c.c_void_p), ("value", Value)]


class Speaker:
    PHONEME = 7  # the type of its events

    def __init__(self):
        self.library = c.CDLL("libespeak-ng.so.1")
        # Sound by a callback, with events of phonemes by their IPA names.
        self.rate = self.library.espeak_Initialize(1, 200, None, 1 | 2 | 0x8000)

    def say(self, text, voice, pitch):
        """The samples, and the phonemes with their times in seconds."""
        blocks, phonemes = [], []

        def hear(samples, n, events):
            if samples and n > 0:
                blocks.append(np.ctypeslib.as_array(samples, (n,)).copy())
            i = 0
            while events[i].type:
                if events[i].type == self.PHONEME:
                    phonemes.append((events[i].milliseconds / 1000, events[i].value.string.decode("utf8", "replace").rstrip("ː")))
                i += 1
            return 0

        callback = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(Event))(hear)
        self.library.espeak_SetSynthCallback(callback)
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice}")
        for parameter, value in ((WORDS_PER_MINUTE, SPEED), (PITCH, pitch), (PITCH_RANGE, 50)):
            self.library.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        self.library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, 1 | 0x1000, None, None)
        self.library.espeak_Synchronize()
        return np.concatenate(blocks) / 32768, phonemes


def utterances(rate, hop):
    """Speech with whether each frame is voiced."""
    speaker = Speaker()
    if speaker.rate != rate:
        raise RuntimeError(f"espeak-ng has {speaker.rate} Hz, not {rate}")
    for text in SENTENCES:
        for voice, pitch in VOICES:
            samples, phonemes = speaker.say(text, voice, pitch)
            at = np.arange(1 + len(samples) // hop) * hop / rate
            voiced = np.zeros(len(at), bool)
            ends = [begin for begin, _ in phonemes[1:]] + [len(samples) / rate]
            for (begin, phoneme), end in zip(phonemes, ends):
                voiced[(at >= begin) & (at < end)] = phoneme not in UNVOICED
            yield samples, voiced
