"""SVOX Pico in-process through ctypes: its American and British women, at 16 kHz."""
import ctypes as C
import os

import numpy as np

RATE = 16000
_BUSY, _IDLE, _NAME = 201, 200, 64
_DATA = os.environ.get("PICO", "/usr/share/pico/lang/")
_FILES = {"en-US": ("en-US_ta.bin", "en-US_lh0_sg.bin"), "en-GB": ("en-GB_ta.bin", "en-GB_kh0_sg.bin")}
_lib = C.CDLL("libttspico.so.0")
_engines = {}


def _do(function, *args):
    status = function(*args)
    if status != 0:
        raise RuntimeError("%s: %d" % (function.__name__, status))


def _engine(voice):
    if voice not in _engines:
        # a system has one engine, and takes all that it allocates from its memory
        memory, system, engine = C.create_string_buffer(3 << 20), C.c_void_p(), C.c_void_p()
        _do(_lib.pico_initialize, memory, C.c_uint32(len(memory)), C.byref(system))
        _do(_lib.pico_createVoiceDefinition, system, voice.encode())
        for name in _FILES[voice]:
            resource, title = C.c_void_p(), C.create_string_buffer(_NAME)
            _do(_lib.pico_loadResource, system, os.path.join(_DATA, name).encode(), C.byref(resource))
            _do(_lib.pico_getResourceName, system, resource, title)
            _do(_lib.pico_addResourceToVoiceDefinition, system, voice.encode(), title)
        _do(_lib.pico_newEngine, system, voice.encode(), C.byref(engine))
        _engines[voice] = engine, memory
    return _engines[voice][0]


def synth(text, voice, rate=1.0, pitch=1.0):
    """int16 samples and their rate; rate is a factor of 0.2 to 5 of the voice's own, pitch one of 0.5 to 2."""
    engine = _engine(voice)
    said = f'<speed level="{100 * rate:.0f}"><pitch level="{100 * pitch:.0f}">{text}</pitch></speed>'.encode() + b"\0"
    parts, put, got, kind = [], C.c_int16(), C.c_int16(), C.c_int16()
    block = C.create_string_buffer(512)
    while said:
        _do(_lib.pico_putTextUtf8, engine, said, C.c_int16(len(said)), C.byref(put))
        said = said[put.value:]
        status = _BUSY
        while status == _BUSY:
            status = _lib.pico_getData(engine, block, C.c_int16(len(block)), C.byref(got), C.byref(kind))
            parts.append(block.raw[:got.value])
        if status != _IDLE:
            raise RuntimeError("pico_getData: %d" % status)
    return np.frombuffer(b"".join(parts), np.int16), RATE
