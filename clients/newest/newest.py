"""Calls a running server with OpenAI's Python client.

    python newest.py URL

Prints a line for each call; exits with an error if one of them fails.
"""

import base64
import json
import pathlib
import sys

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEECH = ROOT / "models" / "wav2vec2-tiny" / "clips" / "clip09.wav"
WORDS = "MUTE TRACK ONE"
CLIPS = ROOT / "models" / "gama-tiny" / "clips"

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="sk-not-needed", max_retries=0)
golden = json.loads((CLIPS / "golden.json").read_text())[0]
question, answer = golden["answers"][0]["question"], golden["answers"][0]["text"]
sound = base64.b64encode((CLIPS / golden["file"]).read_bytes()).decode()
messages = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": [
        {"type": "text", "text": question},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
    ]},
]


def transcribe(**options):
    with SPEECH.open("rb") as file:
        return client.audio.transcriptions.create(**{"file": file, "model": "whisper-1", **options})


def plain():
    assert transcribe().text == WORDS


def formats():
    assert transcribe(response_format="text") == WORDS + "\n"
    assert transcribe(response_format="srt").startswith("1\n00:00:00,")
    assert transcribe(response_format="vtt").startswith("WEBVTT")


def verbose():
    got = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert [w.word for w in got.words] == WORDS.split()
    segment = got.segments[0]
    assert segment.text == WORDS and segment.tokens and segment.avg_logprob < 0 and segment.no_speech_prob < 0.5


def logprobs():
    got = transcribe(model="gpt-4o-transcribe", include=["logprobs"], chunking_strategy={"type": "server_vad"})
    assert "".join(l.token for l in got.logprobs) == WORDS


def stream():
    events = list(transcribe(model="gpt-4o-transcribe", stream=True))
    assert "".join(e.delta for e in events[:-1]) == WORDS == events[-1].text


def chat():
    message = client.chat.completions.create(model="gama-tiny", messages=messages, temperature=0).choices[0].message
    assert message.content == answer
    again = [*messages, message, {"role": "user", "content": question}]
    assert client.chat.completions.create(model="gama-tiny", messages=again).choices[0].message.content


def chat_streamed():
    chunks = client.chat.completions.create(
        model="gama-tiny", messages=messages, temperature=0, stream=True, stream_options={"include_usage": True})
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == answer


def models():
    assert "whisper-1" in [m.id for m in client.models.list()]


def errors():
    for call, kind in ((lambda: transcribe(model="nobody"), openai.NotFoundError),
                       (lambda: transcribe(response_format="yaml"), openai.BadRequestError)):
        try:
            call()
        except kind as error:
            assert error.request_id
        else:
            raise AssertionError("no " + kind.__name__)


for call in (plain, formats, verbose, logprobs, stream, chat, chat_streamed, models, errors):
    call()
    print("openai (Python) {:<14} ok".format(call.__name__), flush=True)
