#!/usr/bin/env python3
"""Makes the clips beside this file from one of the clips that were made for wav2vec2-tiny, and golden.json with what
ffmpeg decodes them to: the frames, the root mean square, and 64 samples of the first channel from the middle on.
Needs ffmpeg with libopus, libvorbis, libmp3lame and libtwolame, and mpg123. The bytes depend on its version; the tests do
not care. Arguments are the names of clips; without them, all are made."""
import array, json, math, pathlib, subprocess, sys, wave

here = pathlib.Path(__file__).parent
speech = here / "../../../models/wav2vec2-tiny/clips/clip09.wav"
stereo = ["-ac", "2", "-ar", "48000"]
fragments = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "300000"]
clips = {
    "speech.flac": ["-c:a", "flac"],
    "speech.mp3": ["-c:a", "libmp3lame", "-b:a", "64k"],
    "speech-22k.mp3": ["-c:a", "libmp3lame", "-ar", "22050", "-b:a", "32k"],
    "speech-stereo.mp3": [*stereo, "-c:a", "libmp3lame", "-q:a", "2"],
    "speech-24k.mp3": ["-c:a", "libmp3lame", "-ar", "24000", "-b:a", "48k"],
    "speech-16k-stereo.mp3": ["-af", "pan=stereo|c0=c0|c1=0.5*c0", "-ar", "16000", "-c:a", "libmp3lame", "-b:a", "48k"],
    "speech-8k.mp3": ["-c:a", "libmp3lame", "-ar", "8000", "-b:a", "16k"],
    "speech-silk.opus": ["-c:a", "libopus", "-b:a", "14k", "-application", "voip"],
    "speech-hybrid.opus": [*stereo, "-c:a", "libopus", "-b:a", "32k", "-application", "voip"],
    "speech-celt.opus": [*stereo, "-c:a", "libopus", "-b:a", "96k", "-application", "audio"],
    "speech-60ms.opus": ["-c:a", "libopus", "-b:a", "32k", "-frame_duration", "60"],
    "speech.webm": ["-c:a", "libopus", "-b:a", "48k", "-f", "webm"],
    "speech-live.webm": ["-c:a", "libopus", "-b:a", "48k", "-f", "webm", "-live", "1", "-cluster_time_limit", "300"],
    "speech-51.opus": ["-ac", "6", "-af", "pan=5.1|c0=c0|c1=0.5*c0|c2=0.8*c0|c3=0.1*c0|c4=0.3*c0|c5=0.2*c0", "-c:a", "libopus", "-b:a", "96k"],
    "speech.ogg": ["-c:a", "libvorbis", "-q:a", "3"],
    "speech-stereo.ogg": ["-af", "pan=stereo|c0=c0|c1=0.5*c0", "-c:a", "libvorbis", "-q:a", "1", "-page_duration", "100000"],
    "speech-22k.ogg": ["-ar", "22050", "-c:a", "libvorbis", "-q:a", "0"],
    "speech-vorbis.webm": ["-ar", "48000", "-c:a", "libvorbis", "-q:a", "0", "-f", "webm"],
    "speech.m4a": ["-c:a", "aac", "-b:a", "48k"],
    "speech.mp2": ["-c:a", "mp2", "-b:a", "32k"],
    "speech-stereo.mp2": ["-af", "pan=stereo|c0=c0|c1=0.5*c0", "-ar", "44100", "-c:a", "libtwolame", "-b:a", "96k", "-mode", "joint_stereo"],
    "speech-alac.m4a": ["-c:a", "alac"],
    "speech-alac.caf": ["-ar", "8000", "-c:a", "alac", "-sample_fmt", "s32p"],
    "speech-alac-live.mp4": ["-ar", "8000", "-c:a", "alac", *fragments],
    "speech-flac.oga": ["-ar", "8000", "-c:a", "flac", "-page_duration", "100000"],
    "speech-flac.mka": ["-ar", "8000", "-c:a", "flac"],
    "speech-flac.mp4": ["-ar", "8000", "-c:a", "flac", "-strict", "experimental", "-movflags", "+faststart"],
    "speech-opus.mp4": ["-ar", "48000", "-c:a", "libopus", "-b:a", "32k"],
    "speech-opus-live.mp4": ["-c:a", "libopus", "-b:a", "32k", *fragments],
}
table = here / "golden.json"
golden = json.loads(table.read_text()) if sys.argv[1:] else {}
for name, options in clips.items():
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    path = here / name
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", speech, "-map_metadata", "-1", "-fflags", "+bitexact", *options, path], check=True)
    probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", path], check=True, capture_output=True).stdout)
    stream = probe["streams"][0]
    decoder = {"opus": ["-c:a", "libopus"], "mp2": ["-c:a", "mp2float"]}.get(stream["codec_name"], [])
    command = ["ffmpeg", "-v", "error", *decoder, "-i", path, "-f", "f32le", "-c:a", "pcm_f32le", "-"]
    if name == "speech-24k.mp3":  # ffmpeg has a band of 24 kHz begin two lines too early
        command = ["mpg123", "-q", "--gapless", "-e", "f32", "-s", path]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    samples, channels = array.array("f", raw), stream["channels"]
    if name.startswith("speech-opus"):  # ffmpeg keeps the padding at the end of MP4, and trims the start right at 48 kHz only
        with wave.open(str(speech)) as sound:
            samples = samples[: sound.getnframes() * 48000 // sound.getframerate()]
    frames = len(samples) // channels
    middle = [round(x, 7) for x in samples[frames // 2 * channels:][: 64 * channels : channels]]
    rms = math.sqrt(sum(x * x for x in samples) / len(samples))
    golden[name] = {"rate": int(stream["sample_rate"]), "channels": channels, "frames": frames, "rms": round(rms, 6), "middle": middle}
rows = ",\n".join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in golden.items())
table.write_text("{\n" + rows + "\n}\n")
