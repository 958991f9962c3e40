package audiofile

import "encoding/binary"

// mp3HeaderBytes is the size of a frame header.
const mp3HeaderBytes = 4

// mp3Header is a frame header of MPEG audio, ISO 11172-3 and 13818-3.
type mp3Header struct {
	version   int // 1, 2, or 25 for the unofficial 2.5
	layer     int // 1, 2, 3
	rateHz    int
	channels  int
	bytes     int // of the whole frame, this header included; 0 in free format
	samples   int // of one channel
	protected bool
	joint     int // modes of joint stereo of layer III that are on
	shared    int // of layer II: the first subband that both channels share, or 0
	kbits     int // per second
}

// layer2Bitrates of MPEG 1 in kbit/s. MPEG 2 has those of layer III.
var layer2Bitrates = [15]int{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}

// mp3Bitrates of layer III in kbit/s: MPEG 1, then MPEG 2 and 2.5.
var mp3Bitrates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// parseMP3Header parses a frame header; ok is false if it is invalid.
func parseMP3Header(raw []byte) (h mp3Header, ok bool) {
	if !isMPEGFrame(raw) {
		return h, false
	}
	word := binary.BigEndian.Uint32(raw)
	h.version = [4]int{25, 0, 2, 1}[word>>19&3]
	h.layer = 4 - int(word>>17&3)
	h.protected = word>>16&1 == 0
	h.rateHz = [3]int{44100, 48000, 32000}[word>>10&3]
	h.channels, h.samples = 2, 1152
	if word>>6&3 == 3 {
		h.channels = 1
	}
	if word>>6&3 == 1 {
		h.joint = int(word >> 4 & 3)
		h.shared = 4 * (h.joint + 1)
	}
	rates := &mp3Bitrates[0]
	switch {
	case h.version != 1:
		rates = &mp3Bitrates[1]
		h.rateHz /= 2
		if h.layer == 3 {
			h.samples = 576
		}
	case h.layer == 2:
		rates = &layer2Bitrates
	}
	if h.version == 25 {
		h.rateHz /= 2
	}
	if h.kbits = rates[word>>12&15]; h.kbits > 0 {
		h.bytes = h.samples/8*h.kbits*1000/h.rateHz + int(word>>9&1)
	}
	return h, word&3 != 2 // reserved emphasis
}

// sideBytes returns the size of the side information after the header and its checksum.
func (h mp3Header) sideBytes() int {
	switch {
	case h.layer == 2:
		return 0
	case h.version == 1 && h.channels == 2:
		return 32
	case h.version == 1, h.channels == 2:
		return 17
	default:
		return 9
	}
}

// continues reports whether a frame can be decoded after another one. The bit rate and
// the channels may differ.
func (h mp3Header) continues(previous mp3Header) bool {
	return h.version == previous.version && h.layer == previous.layer && h.rateHz == previous.rateHz &&
		h.bytes > mp3HeaderBytes+2+h.sideBytes()
}

// mp3Notes is the information that an encoder stores about the file.
type mp3Notes struct {
	// frames is the number of frames of sound; 0 if unknown.
	frames int64
	// bytes is the size of the file from the information frame; 0 if unknown. end is
	// the resulting end position in the file.
	bytes, end int64
	// before and behind are the numbers of padding samples before and after the sound.
	before, behind int
}

// endsAt reports whether the padding after the sound is at the end of a file with the
// given number of bytes and frames. It is not if another file follows. If much more
// data follows the stated end, it is usually a cover image; the padding then remains,
// as in ffmpeg.
func (n mp3Notes) endsAt(fileBytes, frames int64) bool {
	return (n.frames == 0 || n.frames == frames) && (n.bytes == 0 || fileBytes-n.end <= n.bytes/16)
}

// mp3DecoderDelay is the number of samples that a layer III decoder inserts before the
// sound.
const mp3DecoderDelay = 529

// parseMP3Info parses the frame without sound in which encoders store their
// information. The delays are set if it has LAME's extension. Layer II has none.
func parseMP3Info(h mp3Header, frame []byte) (notes mp3Notes, ok bool) {
	at := mp3HeaderBytes + h.sideBytes()
	if len(frame) < at+12 || h.layer != 3 {
		return notes, false
	}
	if len(frame) >= 40 && string(frame[36:40]) == "VBRI" {
		return notes, true
	}
	if id := string(frame[at : at+4]); id != "Xing" && id != "Info" {
		return notes, false
	}
	flags := frame[at+7]
	at += 8
	if flags&1 == 1 {
		notes.frames = int64(binary.BigEndian.Uint32(frame[at:]))
	}
	if raw := frame[at+4*int(flags&1):]; flags&2 == 2 && len(raw) >= 4 {
		notes.bytes = int64(binary.BigEndian.Uint32(raw))
	}
	for bit, bytes := range []int{4, 4, 100, 4} { // frames, bytes, contents, quality
		if flags>>bit&1 == 1 {
			at += bytes
		}
	}
	const delayAt = 21 // within the extension
	if len(frame) < at+delayAt+3 || frame[at] == 0 {
		return notes, true
	}
	raw := frame[at+delayAt:]
	notes.before = int(raw[0])<<4 | int(raw[1])>>4
	notes.behind = int(raw[1]&15)<<8 | int(raw[2])
	return notes, true
}
