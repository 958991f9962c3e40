package audiofile

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// FuzzOpen is seeded with WAV files.
func FuzzOpen(f *testing.F) {
	format := formatChunk(1, 1, 16000, 16)
	data := chunk("data", pcm16(1, -2, 3))
	for _, seed := range [][]byte{
		nil,
		[]byte("RIFF"),
		[]byte("text"),
		mono16(1, 2, 3),
		riff(format),
		riff(data, format),
		riff(chunk("LIST", []byte("INFOx")), format, chunk("fact", le32(3)), data),
		riff(claim("LIST", 5, []byte("INFOx")), format, data),
		riff(format, claim("cue ", math.MaxUint32, nil)),
		riff(format, claim("data", -1, pcm16(1, 2))),
		riff(format, claim("data", 1000, pcm16(1, 2))),
		riff(formatChunk(1, 2, 8000, 8), chunk("data", []byte{1, 2, 3, 4})),
		riff(formatChunk(1, 1, 8000, 24), chunk("data", []byte{1, 2, 3})),
		riff(formatChunk(1, 1, 8000, 32), chunk("data", []byte{1, 2, 3, 4})),
		riff(formatChunk(3, 1, 8000, 32), chunk("data", f32(1, float32(math.NaN())))),
		riff(formatChunk(3, 1, 8000, 64), chunk("data", f64(1, math.Inf(1)))),
		riff(formatChunk(6, 1, 8000, 8), chunk("data", []byte{1, 2})),
		riff(formatChunk(7, 1, 8000, 8), chunk("data", []byte{1, 2})),
		riff(extensibleChunk(1, 2, 48000, 24, 20), chunk("data", []byte{1, 2, 3, 4, 5, 6})),
		cat([]byte("RF64"), le32(-1), []byte("WAVE"), chunk("ds64", cat(le64(0), le64(6), le64(3))), format,
			claim("data", -1, pcm16(1, 2, 3))),
	} {
		f.Add(seed)
	}
	f.Fuzz(checkFile)
}

// fuzzClips is seeded with the clips of one kind.
func fuzzClips(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		whole := clip(f, name)
		f.Add(whole)
		f.Add(whole[:len(whole)/3]) // small files mutate faster
		f.Add(whole[:min(len(whole), 700)])
		small := whole[:min(len(whole), 3000)]
		f.Add(cat(id3Tag(40), small, apeTag(30, true), id3v1(), small, []byte("junk")))
	}
	f.Fuzz(checkFile)
}

// FuzzMedia examines files for ffmpeg.
func FuzzMedia(f *testing.F) {
	f.Add(clip(f, "speech.m4a"))
	for _, file := range mediaFiles() {
		f.Add(file)
		f.Add(cat(file, file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) == 0 {
			return
		}
		if _, err := judged(file); err != nil {
			requireSendersFault(t, err)
		}
	})
}

// FuzzPart decodes parts of files.
func FuzzPart(f *testing.F) {
	for _, name := range []string{"speech.mp3", "speech.ogg", "speech-silk.opus", "speech.webm", "speech.flac"} {
		f.Add(clip(f, name), 0.4, 0.6)
		f.Add(cat(clip(f, name), clip(f, name)), 1.2, 0.0)
	}
	f.Add(mono16(1, 2, 3, 4, 5, 6), 0.0001, 0.0003)
	f.Fuzz(func(t *testing.T, file []byte, start, end float64) {
		limits := Limits{MaxBytes: 1 << 20, MaxDuration: time.Hour, MaxChannels: 64}
		frames, reader, err := countFrames(file, limits.Of(services.Reading{Start: start, End: end}))
		if err != nil {
			kinds := []services.Kind{services.KindInvalid, services.KindUnsupported, services.KindTooLarge}
			require.Contains(t, kinds, services.KindOf(err), "%v", err)
			return
		}
		require.Equal(t, reader.Format().Frames, frames)
		require.Positive(t, frames)
		if end > 0 {
			require.LessOrEqual(t, float64(frames), (end-start)*float64(reader.Format().SampleRateHz)+1)
		}
	})
}

func FuzzFLAC(f *testing.F) { fuzzClips(f, "speech.flac", "speech-flac.oga", "speech-flac.mka") }

func FuzzMP3(f *testing.F) {
	fuzzClips(f, "speech.mp3", "speech-22k.mp3", "speech-stereo.mp3", "speech-16k-stereo.mp3", "speech-8k.mp3", "speech.mp2",
		"speech-stereo.mp2")
}

func FuzzOggOpus(f *testing.F) {
	f.Add(cat(opusLinkOf(1, 1, 3, true), opusLinkOf(2, 2, 3, false), opusLinkOf(2, 1, 2, true)))
	fuzzClips(f, "speech-silk.opus", "speech-hybrid.opus", "speech-celt.opus", "speech-60ms.opus", "speech-51.opus")
}

func FuzzOggVorbis(f *testing.F) {
	fuzzClips(f, "speech.ogg", "speech-stereo.ogg", "speech-22k.ogg")
}

func FuzzWebM(f *testing.F) { fuzzClips(f, "speech.webm", "speech-live.webm", "speech-vorbis.webm") }

// FuzzVorbisSetup passes setup headers that the parser accepts to libvorbis, with a few
// packets.
func FuzzVorbisSetup(f *testing.F) {
	for _, name := range []string{"speech.ogg", "speech-stereo.ogg", "speech-22k.ogg"} {
		headers := vorbisHeaders(f, clip(f, name))
		f.Add(headers[0], headers[2], []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	}
	f.Fuzz(func(t *testing.T, identification, setup, packet []byte) {
		head, err := parseVorbisHead(identification, setup)
		if err != nil {
			requireSendersFault(t, err)
			return
		}
		decoder, err := head.coding.decoder(head.channels)
		if err != nil {
			require.ErrorIs(t, err, xiph.ErrHeaders)
			return
		}
		defer func() { require.NoError(t, decoder.Close()) }()
		count := head.coding.counter()
		pcm := make([]float32, xiph.MaxVorbisPacket*head.channels)
		for range 3 {
			samples, sound := count(packet)
			if !sound || len(packet) >= maxPacketBytes {
				return
			}
			n, err := decoder.Decode(packet, pcm)
			if err != nil {
				return
			}
			require.Equal(t, samples, n)
		}
	})
}
