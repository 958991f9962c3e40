package audiofile

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// cover is a picture in a tag with arbitrary content, including MP3 frames and marks of
// files.
func cover(size int) []byte {
	return bytes.Repeat([]byte("\xff\xfb\x90\x64fLaC\x00\x00\x00\x22OggS\x00 picture "), size/20+1)[:size]
}

func syncsafe(n int) []byte {
	return []byte{byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
}

func id3Tag(size int) []byte { return cat([]byte("ID3\x03\x00\x00"), syncsafe(size), cover(size)) }

// id3Footed is an ID3v2.4 tag with a footer, which may be at the end.
func id3Footed(size int) []byte {
	return cat([]byte("ID3\x04\x00\x10"), syncsafe(size), cover(size), []byte("3DI\x04\x00\x10"), syncsafe(size))
}

func id3v1() []byte { return cat([]byte("TAG"), make([]byte, 125)) }

// apeTag is an APE tag, version 2, with or without a header.
func apeTag(size int, header bool) []byte {
	edge := func(flags byte) []byte {
		return cat([]byte("APETAGEX"), le32(2000), le32(size+apeHeaderBytes), le32(1), []byte{0, 0, 0, flags}, make([]byte, 8))
	}
	if !header {
		return cat(cover(size), edge(0))
	}
	return cat(edge(0xa0), cover(size), edge(0x80))
}

func lyricsTag(size int) []byte {
	return cat([]byte("LYRICSBEGIN"), cover(size-11), []byte(fmt.Sprintf("%06dLYRICS200", size)))
}

func TestTagsAnywhere(t *testing.T) {
	t.Parallel()
	big := 200000
	if raceEnabled {
		big = 70000 // more than any buffer, and quick to process
	}
	before := map[string][]byte{
		"nothing": nil, "ID3": id3Tag(big), "two ID3": cat(id3Tag(300), id3Tag(big)), "APE": apeTag(big, true),
		"ID3 and APE": cat(id3Tag(big), apeTag(50, true)), "ID3 with a footer": id3Footed(big),
		"ID3 and padding": cat(id3Tag(big), make([]byte, 70000)),
	}
	behind := map[string][]byte{
		"nothing": nil, "ID3v1": id3v1(), "APE": apeTag(big, true), "APE without a header": apeTag(big, false),
		"APE and ID3v1": cat(apeTag(big, true), id3v1()), "Lyrics3, APE and ID3v1": cat(lyricsTag(900), apeTag(big, false), id3v1()),
		"ID3v2": id3Tag(big), "ID3v2 with a footer": id3Footed(big),
	}
	names := []string{"speech.mp3", "speech.flac", "speech-silk.opus", "speech.webm"}
	if raceEnabled { // the decoders have one thread
		names = names[1:2]
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sound := clip(t, name)
			want, plain := readFile(t, sound)
			for b, tags := range before {
				got, reader := readFile(t, cat(tags, sound))
				require.Equal(t, want, got, b)
				require.Equal(t, plain.Format(), reader.Format(), b)
				require.Empty(t, reader.Warnings(), b)
			}
			for a, tags := range behind {
				got, reader := readFile(t, cat(before["ID3"], sound, tags))
				require.GreaterOrEqual(t, len(got), len(want), a)
				require.LessOrEqual(t, len(got), len(want)+2*1152, a)
				require.Equal(t, want, got[:len(want)], a)
				require.Empty(t, reader.Warnings(), a)
			}
		})
	}
	wave := mono16(1, 2, 3)
	for name, tags := range before {
		_, got := decode(t, cat(tags, wave))
		require.Len(t, got, 3, name)
	}
	for _, tag := range [][]byte{apeTag(50, true), id3Tag(50), id3v1(), cat(id3Tag(9), id3v1())} {
		got, reader := readFile(t, cat(wave, tag))
		require.Len(t, got, 3)
		require.Empty(t, reader.Warnings())
	}
}

func TestTagsBetweenMP3(t *testing.T) {
	t.Parallel()
	sound := clip(t, "speech.mp3")
	both, _ := readFile(t, cat(sound, sound))
	for name, tags := range map[string][]byte{
		"ID3": id3Tag(200000), "APE": apeTag(200000, true), "ID3v1 and ID3": cat(id3v1(), id3Tag(200000)),
		"all": cat(apeTag(70000, true), id3v1(), id3Tag(70000)),
	} {
		got, reader := readFile(t, cat(sound, tags, sound))
		require.Equal(t, both, got, name)
		require.Empty(t, reader.Warnings(), name)
	}
}

func TestTagsThatAreNone(t *testing.T) {
	t.Parallel()
	requireRefused(t, cat([]byte("ID3\x03\x00\x00"), syncsafe(5000), make([]byte, 40)), services.KindInvalid, "ends within its ID3 tag")
	requireRefused(t, cat(apeTag(500, true)[:300]), services.KindInvalid, "ends within its APE tag")
	requireRefused(t, cat(bytes.Repeat(id3Tag(0), maxTags+1), clip(t, "speech.mp3")), services.KindInvalid, "more than 100 tags")
	// A tag after the sound that claims more than the file's size is not a tag.
	huge := apeTag(10, false)
	copy(huge[len(huge)-20:], le32(1<<30))
	_, reader := readFile(t, cat(clip(t, "speech.mp3"), huge))
	require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))
}

// AAC in ADTS frames often follows ID3 tags, especially in live streams.
func TestADTSBehindID3IsAAC(t *testing.T) {
	t.Parallel()
	frame := []byte{0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, 0xff, 0xfd, 0x90, 0x64, 0, 0, 0, 0, 0}
	file := cat(id3Tag(63), bytes.Repeat(frame, 200))
	requireRefused(t, file, services.KindUnsupported, "is an AAC (ADTS) file; accepted: WAV")
	requireRefused(t, cat(id3Tag(63), []byte("\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00")), services.KindInvalid,
		"ends within its ftyp box")
	requireRefused(t, cat(id3Tag(63), []byte("hello, this is text")), services.KindUnsupported, "is text")
}

func TestJunkBehindMP3AndFLAC(t *testing.T) {
	t.Parallel()
	junk := bytes.Repeat([]byte("junk \xff\xfb\x90\x64 junk"), 20000) // headers of invalid frames
	for _, name := range []string{"speech.mp3", "speech.flac"} {
		want, _ := readFile(t, clip(t, name))
		got, reader := readFile(t, cat(clip(t, name), junk))
		require.Equal(t, want, got[:len(want)], name)
		require.Less(t, len(got), len(want)+2*1152, name)
		require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader), name)
		got, reader = readFile(t, cat(clip(t, name), make([]byte, 300000)))
		require.Equal(t, want, got[:len(want)], name)
		require.Empty(t, reader.Warnings(), "%s: zeros", name)
	}
}
