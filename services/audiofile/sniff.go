package audiofile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// sniffBytes is the size of the beginning that is examined. It includes the name of
// Matroska's document type, and is enough to recognise text.
const sniffBytes = 512

// isWAV reports whether a file begins as RIFF/WAVE or one of its 64-bit forms.
func isWAV(head []byte) bool {
	if len(head) < 12 || string(head[8:12]) != "WAVE" {
		return false
	}
	switch string(head[:4]) {
	case "RIFF", "RF64", "BW64":
		return true
	}
	return false
}

// kind is the kind of a file, which selects its decoder.
type kind int

const (
	kindOther kind = iota // no sound
	kindMedia             // may contain sound, and has no native decoder
	kindWAV
	kindFLAC
	kindMP3
	kindOgg
	kindWebM
	kindAIFF
	kindAU
	kindWave64
	kindCAF
	kindMP4
)

// magic is a byte pattern at a fixed offset.
type magic struct {
	at     int
	prefix string
	what   string
	kind   kind
}

// magics are tried in order: within a family the longer pattern comes first.
var magics = []magic{
	{0, "fLaC", "a FLAC file", kindFLAC},
	{28, "OpusHead", "an Ogg Opus file", kindOgg},
	{28, "\x01vorbis", "an Ogg Vorbis file", kindOgg},
	{0, "OggS", "an Ogg file", kindOgg},
	{0, "ID3\x02", "an MP3 file", kindMP3},
	{0, "ID3\x03", "an MP3 file", kindMP3},
	{0, "ID3\x04", "an MP3 file", kindMP3},
	{4, "ftypM4A", "an M4A (MPEG-4 audio) file", kindMP4},
	{4, "ftypqt", "a QuickTime file", kindMP4},
	{4, "ftyp3gp", "a 3GPP file", kindMP4},
	{4, "ftyp", "an MP4 file", kindMP4},
	{8, "AIFF", "an AIFF file", kindAIFF},
	{8, "AIFC", "an AIFF-C file", kindAIFF},
	{0, "#!AMR", "an AMR file", kindMedia},
	{0, "caff\x00", "a Core Audio (CAF) file", kindCAF},
	{0, ".snd", "a Sun audio (AU) file", kindAU},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media (WMA, ASF) file", kindMedia},
	{0, "MThd", "a MIDI file", kindOther},
	{0, "\x00\x00\x01\xba", "an MPEG program stream", kindMedia},
	{0, "FLV\x01", "a Flash video (FLV)", kindMedia},
	{0, ".RMF", "a RealMedia file", kindMedia},
	{0, "Creative Voice File", "a Creative Voice (VOC) file", kindMedia},
	{0, "MAC ", "a Monkey's Audio file", kindMedia},
	{0, "TTA1", "a True Audio (TTA) file", kindMedia},
	{0, "MPCK", "a Musepack file", kindMedia},
	{0, "MP+", "a Musepack file", kindMedia},
	{0, "DSD ", "a DSD (DSF) file", kindMedia},
	{0, "FRM8", "a DSD (DFF) file", kindMedia},
	{257, "ustar", "a tar archive", kindOther},
	{0, "wvpk", "a WavPack file", kindMedia},
	{0, "NIST_1A", "a NIST SPHERE file", kindMedia},
	{0, "RIFX", "a big-endian WAV (RIFX) file", kindMedia},
	{0, wave64Mark, "a Wave64 file", kindWave64},
	{8, "AVI ", "an AVI video", kindMedia},
	{8, "WEBP", "a WebP image", kindOther},
	{0, "\x89PNG\r\n\x1a\n", "a PNG image", kindOther},
	{0, "\xff\xd8\xff", "a JPEG image", kindOther},
	{0, "GIF8", "a GIF image", kindOther},
	{0, "%PDF", "a PDF document", kindOther},
	{0, "PK\x03\x04", "a ZIP archive", kindOther},
	{0, "\x1f\x8b", "a gzip archive", kindOther},
	{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", kindOther},
	{0, "\x7fELF", "a program", kindOther},
}

// Formats returns the formats that are decoded natively, and those that ffmpeg adds.
func Formats() (native, more []string) {
	native = []string{
		"wav", "flac", "mp3", "mp2", "aiff", "au", "caf", "w64", "m4a-alac", "mp4-flac", "mov-pcm", "ogg-flac", "webm-flac", "webm-pcm",
	}
	more = []string{"aac", "m4a", "mp4", "3gp", "mov", "amr", "wma", "wavpack"}
	streams := []string{"ogg-opus", "ogg-vorbis", "webm-opus", "webm-vorbis", "mp4-opus"}
	if !xiph.Available() {
		return native, append(streams, more...)
	}
	return append(native, streams...), more
}

// sniff returns a file's kind, and a description such as "an MP3 file". Unrecognised
// files may be sound.
func sniff(head []byte) (kind, string) {
	if isWAV(head) {
		return kindWAV, "a WAV file"
	}
	return recognise(head)
}

// describe returns a description of the file.
func describe(head []byte) string {
	_, what := recognise(head)
	return what
}

// recognise determines the kind of a file that is not WAV.
func recognise(head []byte) (kind, string) {
	text := isText(head)
	for _, m := range magics {
		if m.at > 0 && text {
			continue // a word of the text, not a mark in a header
		}
		if len(head) > m.at && bytes.HasPrefix(head[m.at:], []byte(m.prefix)) {
			return m.kind, m.what
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte(ebmlMark)):
		if bytes.Contains(head, []byte("webm")) {
			return kindWebM, "a WebM file"
		}
		return kindWebM, "a Matroska file"
	case isMP4(head) && !text:
		return kindMP4, "a QuickTime file"
	case isMPEGFrame(head):
		return kindMP3, "an MP3 file"
	case isADTSFrame(head):
		return kindMedia, "an AAC (ADTS) file"
	case len(head) > tsPacket && head[0] == tsMark && head[tsPacket] == tsMark:
		return kindMedia, "an MPEG transport stream"
	case text:
		return kindOther, describeText(head)
	case len(head) < riffHeaderBytes:
		return kindOther, unknownFormat
	}
	return kindMedia, unknownFormat
}

// unknownFormat describes a file that is not recognised.
const unknownFormat = "not in an audio format that is known here"

// another returns the description of the audio file that begins with an unambiguous
// mark, or "" if there is none.
func another(head []byte) string {
	if isWAV(head) {
		return "a WAV file"
	}
	for _, m := range magics {
		if m.kind != kindOther && len(m.prefix) >= 4 && m.prefix[:3] != "ID3" &&
			len(head) > m.at && bytes.HasPrefix(head[m.at:], []byte(m.prefix)) {
			return m.what
		}
	}
	if bytes.HasPrefix(head, []byte(ebmlMark)) {
		return "a WebM or Matroska file"
	}
	return ""
}

// ebmlMark is the beginning of a WebM or Matroska file.
const ebmlMark = "\x1a\x45\xdf\xa3"

// isMPEGFrame reports whether data begins with a frame header of layer II or III. Layer
// I is excluded: it is not in use, and the UTF-16 byte order mark resembles it.
func isMPEGFrame(head []byte) bool {
	if len(head) < 4 || head[0] != 0xff || head[1]&0xe0 != 0xe0 {
		return false
	}
	version, layer := head[1]>>3&3, head[1]>>1&3
	bitrate, rate := head[2]>>4, head[2]>>2&3
	return version != 1 && (layer == 1 || layer == 2) && bitrate != 15 && rate != 3
}

// isADTSFrame reports whether data begins with a raw AAC frame: the MPEG sync word with
// layer 0.
func isADTSFrame(head []byte) bool {
	return len(head) >= 4 && head[0] == 0xff && head[1]&0xf6 == 0xf0 && head[2]>>2&15 < 13
}

// describeText distinguishes kinds of text, because clients often send the response of
// another server, or base64.
func describeText(head []byte) string {
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff")))
	switch {
	case strings.HasPrefix(text, "uklgr"), strings.HasPrefix(text, "data:"):
		return "base64 text; send the decoded bytes"
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "an HTML page"
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<"):
		return "an XML document"
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "JSON text"
	}
	return "text"
}

// isText reports whether data is UTF-8 without control characters. The last rune may be
// incomplete.
func isText(head []byte) bool {
	if len(head) == 0 {
		return false
	}
	for i := 0; i < len(head); {
		r, n := utf8.DecodeRune(head[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return i > 0 && len(head)-i < utf8.UTFMax && !utf8.FullRune(head[i:])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f':
			return false
		}
		i += n
	}
	return true
}
