package audiofile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// oggPagesOf returns the pages of a file.
func oggPagesOf(t testing.TB, file []byte) (pages [][]byte) {
	t.Helper()
	src, err := openSource(asFile(file, new(report)), oggBuffer)
	require.NoError(t, err)
	reader := oggPages{src: src}
	for reader.advance() == nil {
		pages = append(pages, slices.Clone(reader.raw))
	}
	require.Equal(t, file, bytes.Join(pages, nil))
	return pages
}

// at returns a page with another position and checksum.
func at(page []byte, granule int64) []byte {
	page = slices.Clone(page)
	binary.LittleEndian.PutUint64(page[6:], uint64(granule))
	binary.LittleEndian.PutUint32(page[22:], oggSum(page))
	return page
}

func granuleOf(page []byte) int64 { return int64(binary.LittleEndian.Uint64(page[6:])) }

// vorbisHeaders returns the three headers of a file.
func vorbisHeaders(t testing.TB, file []byte) (headers [][]byte) {
	t.Helper()
	src, err := openSource(asFile(file, new(report)), oggBuffer)
	require.NoError(t, err)
	p := &oggPackets{pages: oggPages{src: src}, notes: new(report)}
	_, err = p.findStream()
	require.NoError(t, err)
	for range 3 {
		packet, err := p.read(maxPacketBytes)
		require.NoError(t, err)
		headers = append(headers, slices.Clone(packet))
	}
	return headers
}

func TestVorbisFormats(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Format{
		"speech.ogg":         {"ogg", "vorbis", 16000, 1, 0, 17934, false},
		"speech-stereo.ogg":  {"ogg", "vorbis", 16000, 2, 0, 17934, false},
		"speech-vorbis.webm": {"webm", "vorbis", 48000, 1, 0, goldens(t)["speech-vorbis.webm"].Frames, false},
		"speech-51.opus":     {"ogg", "opus", 48000, 6, 0, 53802, false},
	} {
		_, reader := readFile(t, clip(t, name))
		require.Equal(t, want, reader.Format(), name)
		require.NoError(t, reader.Close())
		require.NoError(t, reader.Close(), "twice")
	}
}

// Each link is decoded as if it were alone, and one channel as two if another link has two.
func TestChainedVorbis(t *testing.T) {
	t.Parallel()
	first, second := clip(t, "speech.ogg"), clip(t, "speech-stereo.ogg")
	one, _ := readFile(t, first)
	two, _ := readFile(t, second)
	both, reader := readFile(t, cat(first, id3Tag(300), first))
	require.Equal(t, slices.Concat(one, one), both)
	require.Empty(t, reader.Warnings())
	both, reader = readFile(t, cat(second, first))
	require.Equal(t, two, both[:len(two)])
	require.Equal(t, 2*len(one), len(both)-len(two))
	for i, x := range one {
		require.Equal(t, []float32{x, x}, both[len(two)+2*i:len(two)+2*i+2])
	}
	require.Empty(t, reader.Warnings())
	webm := clip(t, "speech-vorbis.webm")
	three, _ := readFile(t, webm)
	both, _ = readFile(t, cat(webm, webm))
	require.Equal(t, slices.Concat(three, three), both)

	requireRefused(t, cat(first, clip(t, "speech-22k.ogg")), services.KindInvalid,
		"changes within from Vorbis of 1 channels and 16000 Hz to Vorbis of 1 and 22050 Hz, after 1.12 s", "as separate files")
	requireRefused(t, cat(first, clip(t, "speech-silk.opus")), services.KindInvalid, "continues as Ogg Opus after its Vorbis")
	requireRefused(t, cat(clip(t, "speech-silk.opus"), first), services.KindInvalid, "continues as Ogg Vorbis after its Opus")
	requireRefused(t, cat(webm, clip(t, "speech.webm")), services.KindInvalid, "changes within from Vorbis", "to Opus")
	requireRefused(t, cat(first, clip(t, "speech.flac")), services.KindInvalid, "continues as a FLAC file")
	requireRefused(t, cat(clip(t, "speech-celt.opus"), clip(t, "speech-51.opus")), services.KindInvalid,
		"changes within from Opus of 2 channels and 48000 Hz to Opus of 6 and 48000 Hz")
}

// The positions of the first and the last page state how much is trimmed, Vorbis I
// section A.2.
func TestVorbisPositions(t *testing.T) {
	t.Parallel()
	file := clip(t, "speech-stereo.ogg")
	whole, _ := readFile(t, file)
	pages := oggPagesOf(t, file)
	require.Greater(t, len(pages), 4)
	last := len(pages) - 1
	changed := func(change func(i int) int64) []byte {
		var out []byte
		for i, page := range pages {
			if i >= 2 { // after the headers
				page = at(page, change(i))
			}
			out = append(out, page...)
		}
		return out
	}
	for name, test := range map[string]struct {
		file []byte
		want []float32
	}{
		"shorter": {changed(func(i int) int64 {
			if i == last {
				return granuleOf(pages[i]) - 300
			}
			return granuleOf(pages[i])
		}), whole[:len(whole)-2*300]},
		"begins later":          {changed(func(i int) int64 { return granuleOf(pages[i]) - 500 }), whole[2*500:]},
		"joined late":           {changed(func(i int) int64 { return granuleOf(pages[i]) + 100000 }), whole},
		"positions unknown":     {changed(func(int) int64 { return -1 }), nil},
		"without its last page": {bytes.Join(pages[:last], nil), nil},
	} {
		got, reader := readFile(t, test.file)
		require.Empty(t, reader.Warnings(), name)
		require.EqualValues(t, len(got)/2, reader.Format().Frames, name)
		if test.want == nil {
			n := min(len(got), len(whole))
			require.Greater(t, n, len(whole)/2, name)
			require.Equal(t, whole[:n], got[:n], name)
			continue
		}
		require.Equal(t, test.want, got, name)
	}
}

func TestVorbisBehindGarbage(t *testing.T) {
	t.Parallel()
	file := clip(t, "speech-stereo.ogg")
	whole, _ := readFile(t, file)
	pages := oggPagesOf(t, file)
	garbage := bytes.Repeat([]byte("OggX garbage "), 500)
	got, reader := readFile(t, cat(bytes.Join(pages[:3], nil), garbage, bytes.Join(pages[3:], nil)))
	require.Equal(t, whole, got)
	require.Empty(t, reader.Warnings())
	got, reader = readFile(t, cat(file, garbage))
	require.Equal(t, whole, got)
	require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))

	// Without a page, the others remain.
	got, reader = readFile(t, cat(bytes.Join(pages[:3], nil), bytes.Join(pages[4:], nil)))
	require.Less(t, len(got), len(whole))
	require.Greater(t, len(got), len(whole)/3)
	require.Empty(t, reader.Warnings())
}

func TestVorbisThatIsRefused(t *testing.T) {
	t.Parallel()
	headers := vorbisHeaders(t, clip(t, "speech.ogg"))
	with := func(number, offset int, value ...byte) []byte {
		changed := [][]byte{headers[0], headers[1], slices.Clone(headers[2])}
		changed[number] = slices.Clone(changed[number])
		copy(changed[number][offset:], value)
		return cat(pageOf(oggFirst, 0, 1, changed[0]), pageOf(0, 0, 1, changed[1]), pageOf(0, 0, 1, changed[2]), pageOf(oggLast, 0, 1, []byte{0}))
	}
	for name, test := range map[string]struct {
		file  []byte
		kind  services.Kind
		texts []string
	}{
		"version":    {with(0, 7, 1), services.KindUnsupported, []string{"is Vorbis of the unknown version 1"}},
		"channels":   {with(0, 11, 9), services.KindUnsupported, []string{"is Vorbis of 9 channels; at most 8"}},
		"no channel": {with(0, 11, 0), services.KindInvalid, []string{"damaged Vorbis header"}},
		"no rate":    {with(0, 12, 0, 0, 0, 0), services.KindInvalid, []string{"damaged Vorbis header"}},
		"blocks":     {with(0, 28, 0x8b), services.KindInvalid, []string{"damaged Vorbis header"}},
		"comment":    {with(1, 0, 5), services.KindInvalid, []string{"without its second header"}},
		"setup":      {with(2, 8, 0xff, 0xff, 0xff), services.KindInvalid, []string{"damaged Vorbis header"}},
		"no sound":   {with(0, 0), services.KindInvalid, []string{"contains no samples"}},
		"Opus family": {
			cat(pageOf(oggFirst, 0, 1, cat([]byte("OpusHead\x01\x03\x00\x00\x80\xbb\x00\x00\x00\x00\x02"), make([]byte, 10)))),
			services.KindUnsupported, []string{"is Opus of 3 channels in mapping family 2"},
		},
		"Opus layout": {
			cat(pageOf(oggFirst, 0, 1, []byte("OpusHead\x01\x03\x00\x00\x80\xbb\x00\x00\x00\x00\x01\x02\x01\x00\x01\x03"))),
			services.KindInvalid, []string{"damaged Opus header"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, test.file, test.kind, test.texts...)
		})
	}
	refused := bytes.Replace(clip(t, "speech-vorbis.webm"), []byte("\x05vorbis"), []byte("\x06vorbis"), 1)
	requireRefused(t, refused, services.KindInvalid, "damaged Vorbis header")
}

// Every bit of a real setup header matters to the parser or to libvorbis, and none makes
// either fail in another way than by an error.
func TestVorbisSetup(t *testing.T) {
	t.Parallel()
	headers := vorbisHeaders(t, clip(t, "speech-stereo.ogg"))
	long, err := parseVorbisSetup(headers[2], 2)
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, long)
	refused := 0
	for at := vorbisMark; at < len(headers[2]); at += 37 {
		damaged := slices.Clone(headers[2])
		damaged[at] ^= 1 << (at % 8)
		head, err := parseVorbisHead(headers[0], damaged)
		if err != nil {
			requireSendersFault(t, err)
			refused++
			continue
		}
		decoder, err := head.coding.decoder(head.channels)
		if err != nil {
			require.ErrorIs(t, err, xiph.ErrHeaders)
			refused++
			continue
		}
		require.NoError(t, decoder.Close())
	}
	require.Positive(t, refused)
	for n := range len(headers[2]) {
		_, err := parseVorbisSetup(headers[2][:n], 2)
		require.ErrorIs(t, err, errVorbisSetup)
	}
}

func TestVorbisRoot(t *testing.T) {
	t.Parallel()
	for _, test := range [][3]int{
		{1, 1, 1}, {1, 9, 1}, {80, 4, 2}, {81, 4, 3}, {82, 4, 3}, {6561, 8, 3}, {125, 3, 5}, {1 << 18, 1, 1 << 18}, {100, 65535, 1},
	} {
		require.Equal(t, test[2], vorbisRoot(test[0], test[1]), "%v", test)
	}
}
