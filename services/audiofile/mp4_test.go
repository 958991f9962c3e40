package audiofile

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// mp4Parts are the boxes of a track of 16-bit PCM of one channel at 8 kHz.
type mp4Parts struct {
	codec, handler string
	still          bool   // a rate of 0
	entry          []byte // boxes behind the description
	tables         [][]byte
	edits          []byte
	behind         []byte // other boxes of moov
}

func fullBox(kind string, body ...[]byte) []byte { return box(kind, cat(be32(0), cat(body...))) }

func numbers(list ...int) (raw []byte) {
	for _, n := range list {
		raw = append(raw, be32(n)...)
	}
	return raw
}

// moov is the index.
func (p mp4Parts) moov() []byte {
	rate := be16(8000)
	if p.still {
		rate = be16(0)
	}
	description := cat(make([]byte, 6), be16(1), make([]byte, 8), be16(1), be16(16), make([]byte, 4), rate, be16(0), p.entry)
	stbl := box("stbl", cat(fullBox("stsd", be32(1), box(p.codec, description)), cat(p.tables...)))
	media := box("mdia", cat(fullBox("mdhd", numbers(0, 0, 8000, 0, 0)), fullBox("hdlr", be32(0), []byte(p.handler), make([]byte, 13)),
		box("minf", stbl)))
	track := box("trak", cat(fullBox("tkhd", numbers(0, 0, 7, 0, 0)), p.edits, media))
	return box("moov", cat(fullBox("mvhd", numbers(0, 0, 1000, 0, 0)), track, p.behind))
}

// mp4PCMFile has samples in three chunks that are not in order.
func mp4PCMFile(wide bool) ([]byte, []float32) {
	data := pcm16(5, 6, 7, 99, 1, 2, 3, 4, 8)
	at := 8 + 8
	offsets := []int{at + 8, at, at + 16}
	stco := fullBox("stco", be32(3), numbers(offsets...))
	if wide {
		stco = fullBox("co64", be32(3), be64(uint64(offsets[0])), be64(uint64(offsets[1])), be64(uint64(offsets[2])))
	}
	parts := mp4Parts{codec: "sowt", handler: "soun", tables: [][]byte{
		fullBox("stts", numbers(1, 8, 1)), fullBox("stsc", numbers(3, 1, 4, 1, 2, 3, 1, 3, 1, 1)), fullBox("stsz", numbers(2, 8)), stco,
	}}
	var want []float32
	for i := range 8 {
		want = append(want, float32(i+1)/32768)
	}
	return cat(box("ftyp", nil), box("mdat", data), parts.moov()), want
}

func TestMP4OfPCM(t *testing.T) {
	t.Parallel()
	for _, wide := range []bool{false, true} {
		file, want := mp4PCMFile(wide)
		format, got := decode(t, file)
		require.Equal(t, want, got)
		require.Equal(t, Format{Container: "mp4", Encoding: "pcm_s16le", SampleRateHz: 8000, Channels: 1, BitsPerSample: 16, Frames: 8}, format)
	}
}

// fragment is a moof box with a run of 16-bit samples and its mdat box.
func fragment(track int, samples ...int) []byte {
	header := fullBox("tfhd", be32(track))
	copy(header[8:], be32(0x20000)) // offsets count from the moof
	run := func(offset int) []byte {
		raw := fullBox("trun", numbers(len(samples), offset))
		copy(raw[8:], be32(trunOffset))
		return box("moof", box("traf", cat(header, raw)))
	}
	return cat(run(len(run(0))+8), box("mdat", pcm16(samples...)))
}

// fragmentOfTwo has two runs, of which the second has no offset and lies behind the first.
func fragmentOfTwo() []byte {
	run := func(flags int, fields ...int) []byte {
		raw := fullBox("trun", numbers(fields...))
		copy(raw[8:], be32(flags))
		return raw
	}
	build := func(offset int) []byte {
		header := fullBox("tfhd", be32(7))
		copy(header[8:], be32(0x20000))
		return box("moof", box("traf", cat(header, run(trunOffset, 2, offset), run(trunSize, 2, 2, 2))))
	}
	return cat(build(len(build(0))+8), box("mdat", pcm16(6, 7, 8, 9)))
}

func mp4Fragmented() []byte {
	parts := mp4Parts{codec: "twos", handler: "soun", behind: box("mvex", fullBox("trex", numbers(7, 1, 1, 2, 0)))}
	return cat(box("ftyp", nil), parts.moov(), fragment(7, 1, 2, 3), fragment(8, 99, 99), fragment(7, 4, 5), fragmentOfTwo())
}

func TestMP4OfFragments(t *testing.T) {
	t.Parallel()
	file := mp4Fragmented()
	format, got := decode(t, file)
	require.EqualValues(t, 9, format.Frames)
	for i, level := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9} {
		require.Equal(t, float32(int16(level<<8))/32768, got[i]) // written with the lower byte first
	}
	frames, reader, err := countFrames(file[:len(file)-2], DefaultLimits())
	require.NoError(t, err)
	require.EqualValues(t, 8, frames)
	require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))
}

// Indexes that do not fit the file or themselves.
func TestMP4WithAnotherIndex(t *testing.T) {
	t.Parallel()
	build := func(change func(p *mp4Parts)) []byte {
		p := mp4Parts{codec: "sowt", handler: "soun", tables: [][]byte{
			fullBox("stts", numbers(1, 4, 1)), fullBox("stsc", numbers(1, 1, 4, 1)), fullBox("stsz", numbers(2, 4)), fullBox("stco", numbers(1, 16)),
		}}
		change(&p)
		return cat(box("ftyp", nil), box("mdat", pcm16(1, 2, 3, 4)), p.moov())
	}
	for text, file := range map[string][]byte{
		"is damaged at": build(func(p *mp4Parts) { // a chunk again and again
			p.tables[2] = fullBox("stsz", numbers(2, 1<<30))
			p.tables[3] = fullBox("stco", be32(1000), bytes.Repeat(be32(16), 1000))
		}),
		"has boxes within more than 10 others": build(func(p *mp4Parts) {
			for range 20 {
				p.edits = box("mdia", p.edits)
			}
		}),
		"contains no samples": build(func(p *mp4Parts) { p.tables[3] = fullBox("stco", be32(0)) }),
		"damaged description": build(func(p *mp4Parts) {
			p.tables = append(p.tables, fullBox("stsd", be32(1), box("sowt", make([]byte, 4))))
		}),
		"impossible header: 1 channels, 0 Hz": build(func(p *mp4Parts) { p.still = true }),
		"nothing of it can be decoded":        build(func(p *mp4Parts) { p.tables[3] = fullBox("stco", numbers(1, 1<<30)) }),
	} {
		requireRefused(t, file, services.KindInvalid, text)
	}
	for text, file := range map[string][]byte{
		"without a track of sound":   build(func(p *mp4Parts) { p.handler = "vide" }),
		"with sound coded as AAC":    build(func(p *mp4Parts) { p.codec = "mp4a" }),
		`with sound coded as "zzzz"`: build(func(p *mp4Parts) { p.codec = "zzzz" }),
		"is a list of several parts": build(func(p *mp4Parts) {
			p.edits = box("edts", fullBox("elst", numbers(2, 1, 0, 1<<16, 1, 2, 1<<16)))
		}),
		"changes its codec": build(func(p *mp4Parts) { p.tables[1] = fullBox("stsc", numbers(1, 1, 4, 2)) }),
	} {
		requireRefused(t, file, services.KindUnsupported, text)
	}
	// A list of edits begins the sound later.
	_, got := decode(t, build(func(p *mp4Parts) {
		p.edits = box("edts", fullBox("elst", numbers(2, 500, -1, 1<<16, 0, 1, 1<<16)))
	}))
	require.Equal(t, []float32{2.0 / 32768, 3.0 / 32768, 4.0 / 32768}, got)
}

// The samples of ALAC that is damaged or unusual.
func TestALACThatIsRefused(t *testing.T) {
	t.Parallel()
	for text, config := range map[string][]byte{
		"damaged ALAC header":          alacConfig(0, 16, 1),
		"ALAC of 8 bits":               alacConfig(8000, 8, 1),
		"ALAC of version 0, 9 channel": alacConfig(8000, 16, 9),
		"has a damaged ALAC header":    nil,
	} {
		_, err := parseALACConfig(config)
		require.ErrorContains(t, err, text)
	}
	head, err := parseALACConfig(alacConfig(8000, 16, 2))
	require.NoError(t, err)
	decoder, err := head.coding.decoder(2)
	require.NoError(t, err)
	pcm := make([]float32, 2*4096)
	for _, packet := range [][]byte{
		{}, {0xe0}, {0x00, 0, 0, 0}, {0x20, 0, 0}, {0x20, 0, 0x1f, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0xff}, 50), {0x40, 1, 2, 3},
		cat([]byte{0x20, 0, 0x00}, bytes.Repeat([]byte{0}, 10)),
	} {
		_, err := decoder.Decode(packet, pcm)
		require.ErrorIs(t, err, errALAC, "%x", packet)
	}
}

// FuzzContainers reads files of PCM, MP4 and CAF.
func FuzzContainers(f *testing.F) {
	for _, file := range pcmFiles() {
		f.Add(file)
	}
	file, _ := mp4PCMFile(false)
	f.Add(file)
	file, _ = mp4PCMFile(true)
	f.Add(file)
	f.Add(mp4Fragmented())
	for _, name := range []string{
		"speech-alac.m4a", "speech-alac.caf", "speech-alac-live.mp4", "speech-opus.mp4", "speech-opus-live.mp4", "speech-flac.mp4",
	} {
		f.Add(clip(f, name))
	}
	f.Fuzz(checkFile)
}

// FuzzALAC decodes a packet after any description of its stream.
func FuzzALAC(f *testing.F) {
	for _, channels := range []int{1, 2, 6} {
		f.Add(alacConfig(8000, 16, channels), []byte{0x20, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
		f.Add(alacConfig(8000, 24, channels), slices.Repeat([]byte{0x00, 0x12, 0x34}, 20))
	}
	whole := clip(f, "speech-alac-live.mp4")
	f.Add(alacConfig(8000, 16, 1), whole[len(whole)/2:])
	f.Fuzz(func(t *testing.T, config, packet []byte) {
		head, err := parseALACConfig(config)
		if err != nil {
			requireSendersFault(t, err)
			return
		}
		decoder, err := head.coding.decoder(head.channels)
		require.NoError(t, err)
		_, frames := head.coding.limits()
		samples, sound := head.coding.counter()(packet)
		require.LessOrEqual(t, samples, frames)
		n, err := decoder.Decode(packet, make([]float32, frames*head.channels))
		if err == nil {
			require.True(t, sound)
			require.Equal(t, samples, n)
		}
	})
}
