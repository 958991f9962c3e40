"""RHVoice in-process through ctypes. It tells no phones."""
import ctypes as C
import os

import numpy as np

_Rate = C.CFUNCTYPE(C.c_int, C.c_int, C.c_void_p)
_Play = C.CFUNCTYPE(C.c_int, C.POINTER(C.c_short), C.c_uint, C.c_void_p)


class _Callbacks(C.Structure):
    _fields_ = [("set_sample_rate", _Rate), ("play_speech", _Play)] + [
        (n, C.c_void_p) for n in ("mark", "word_starts", "word_ends", "sentence_starts", "sentence_ends", "play_audio", "done")]


class _Init(C.Structure):
    _fields_ = [("data_path", C.c_char_p), ("config_path", C.c_char_p), ("resource_paths", C.c_void_p),
                ("callbacks", _Callbacks), ("options", C.c_uint)]


class _Voice(C.Structure):
    _fields_ = [("profile", C.c_char_p)] + [
        (n, C.c_double) for n in ("absolute_rate", "absolute_pitch", "absolute_volume", "rate", "pitch", "volume")] + [
        ("punctuation_mode", C.c_int), ("punctuation_list", C.c_char_p), ("capitals_mode", C.c_int), ("flags", C.c_int)]


_lib = C.CDLL("libRHVoice.so.5")
for _f, _r, _a in (("RHVoice_new_tts_engine", C.c_void_p, [C.POINTER(_Init)]),
                   ("RHVoice_new_message", C.c_void_p, [C.c_void_p, C.c_char_p, C.c_uint, C.c_int, C.POINTER(_Voice), C.c_void_p]),
                   ("RHVoice_speak", C.c_int, [C.c_void_p]), ("RHVoice_delete_message", None, [C.c_void_p])):
    _g = getattr(_lib, _f)
    _g.restype, _g.argtypes = _r, _a

_rate, _parts = 0, []


@_Rate
def _set_rate(rate, _):
    global _rate
    _rate = rate
    return 1


@_Play
def _take(samples, n, _):
    _parts.append(np.ctypeslib.as_array(samples, (n,)).copy())
    return 1


# kept alive with the module: the library holds on to it
_init = _Init(os.environ.get("RHVOICE", "/usr/share/RHVoice").encode(), b"/etc/RHVoice", None, _Callbacks(_set_rate, _take), 0)
_engine = _lib.RHVoice_new_tts_engine(C.byref(_init))


def synth(text, name, rate=1.0, pitch=1.0):
    """int16 samples and their rate; rate and pitch are factors of the voice's own, half to twice."""
    _parts.clear()
    voice = _Voice(name.encode(), 0, 0, 0, rate, pitch, 1, 0, None, 0, 0)
    t = text.encode()
    m = _lib.RHVoice_new_message(_engine, t, len(t), 0, C.byref(voice), None)
    if not m:
        raise ValueError("RHVoice does not say %r with %r" % (text, name))
    _lib.RHVoice_speak(m)
    _lib.RHVoice_delete_message(m)
    return np.concatenate(_parts) if _parts else np.zeros(0, np.int16), _rate
