package audiofile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestOtherFormatsAreNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, head, what string }{
		{"AAC", "\xff\xf1\x50\x80\x02", "an AAC (ADTS) file"},
		{"AMR", "#!AMR\n", "an AMR file"},
		{"WMA", "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "a Windows Media"},
		{"RIFX", "RIFX\x00\x00\x00\x24WAVEfmt ", "a big-endian WAV (RIFX) file"},
		{"AVI", "RIFF\x24\x00\x00\x00AVI LIST", "an AVI video"},
		{"PNG", "\x89PNG\r\n\x1a\n\x00", "a PNG image"},
		{"JPEG", "\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"},
		{"PDF", "%PDF-1.7", "a PDF document"},
		{"ZIP", "PK\x03\x04\x14", "a ZIP archive"},
		{"gzip", "\x1f\x8b\x08\x00", "a gzip archive"},
		{"HTML", "  <!DOCTYPE html>\n<html>", "an HTML page"},
		{"XML", "<?xml version=\"1.0\"?>", "an XML document"},
		{"JSON", "{\"error\": \"not found\"}", "JSON text"},
		{"base64", "UklGRiQAAABXQVZFZm10IBAAAAABAAEA", "base64 text; send the decoded bytes"},
		{"data URL", "data:audio/wav;base64,UklGRiQ", "base64 text"},
		{"text", "Hello, world\n", "file is text; accepted"},
		{"text about formats", "This is AVI and not caff nor ID3", "file is text"},
		{"text of other letters", "\ufeffПривет, мир", "is text"},
		{"text cut within a letter", "na\xc3\xafve caf\xc3", "is text"},
		{"noise", "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00", "is not in an audio format that is known here"},
		{"UTF-16 text is no MP3", "\xff\xfeh\x00i\x00", "is not in an audio format"},
		{"RIFF of something else", "RIFF\x24\x00\x00\x00\x00\x01\x02\x03", "is not in an audio format"},
		{"one byte", "\x00", "is not in an audio format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := openBytes([]byte(test.head))
			requireFault(t, err, services.KindUnsupported, test.what)
		})
	}
}

func TestContainersAreKnownWhenCut(t *testing.T) {
	t.Parallel()
	for head, what := range map[string]string{
		"\x00\x00\x00\x20ftypM4A \x00": "ends within its ftyp box",
		"\x00\x00\x00\x20ftypisom\x00": "ends within its ftyp box",
		"\x00\x00\x00\x14ftypqt  \x00": "ends within its ftyp box",
		"\x00\x00\x00\x14moov\x00\x00": "without a track of sound",
		"FORM\x00\x00\x10\x00AIFFCOMM": "an AIFF file without a COMM chunk",
		"FORM\x00\x00\x10\x00AIFCCOMM": "an AIFF file without a COMM chunk",
		".snd\x00\x00\x00\x18":         "is cut short: an AU header has 24 bytes, 8 are there",
		"caff\x00\x01\x00\x00desc":     "is a Core Audio file without a description",
		wave64Mark + "\x00\x00":        "is cut short: a Wave64 header has 40 bytes, 18 are there",
	} {
		_, err := openBytes([]byte(head))
		kind := services.KindInvalid
		if what == "without a track of sound" {
			kind = services.KindUnsupported
		}
		requireFault(t, err, kind, what)
	}
}

func TestOurFormatsAreKnownWhenCut(t *testing.T) {
	t.Parallel()
	ogg := "OggS\x00\x02" + strings.Repeat("\x00", 20) + "\x01\x13"
	for _, test := range []struct{ name, head, what string }{
		{"MP3 with a tag", "ID3\x04\x00", "an MP3 file"},
		{"MP3 with a whole tag", "ID3\x04\x00\x00\x00\x00\x00\x01\x00" + "\xff\xfb\x90\x64\x00", "an MP3 file"},
		{"MP3 without", "\xff\xfb\x90\x64\x00", "an MP3 file"},
		{"MPEG 2 layer III", "\xff\xf3\x48\xc4", "an MP3 file"},
		{"FLAC", "fLaC\x00\x00\x00\x22", "a FLAC file"},
		{"Ogg Opus", ogg + "OpusHead", "an Ogg file"},
		{"Ogg", "OggS\x00\x02", "an Ogg file"},
		{"WebM", "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "a WebM file"},
		{"Matroska", "\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "a WebM file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := openBytes([]byte(test.head))
			requireFault(t, err, services.KindInvalid, "cut short: it ends within the header of "+test.what)
		})
	}
	_, err := openBytes([]byte("ID3\x04\x00\x00\x00\x7f\x7f\x7f fLaC"))
	requireFault(t, err, services.KindInvalid, "ends within its ID3 tag")
}

func TestLongTextIsCutForSniffing(t *testing.T) {
	t.Parallel()
	// 512 bytes end inside a character of two bytes.
	_, err := openBytes([]byte("x" + strings.Repeat("é", 5000)))
	requireFault(t, err, services.KindUnsupported, "file is text")
}

func TestIsText(t *testing.T) {
	t.Parallel()
	require.False(t, isText(nil))
	require.False(t, isText([]byte("a\x00b")))
	require.False(t, isText([]byte("a\xffbcdef")))
	require.True(t, isText([]byte("a\tb\r\n")))
}
