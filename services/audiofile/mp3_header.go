package audiofile

import "encoding/binary"

// mp3HeaderBytes of a frame header.
const mp3HeaderBytes = 4

// mp3Header is a frame header of MPEG audio, by ISO 11172-3 and 13818-3.
type mp3Header struct {
	version   int // 1, 2, or 25 for the unofficial 2.5
	layer     int // 1, 2, 3
	rateHz    int
	channels  int
	bytes     int // of the whole frame, this header included; 0 in free format
	samples   int // of one channel
	protected bool
	joint     int // modes of joint stereo that are on
}

// mp3Bitrates of layer III in kbit/s: MPEG 1, then MPEG 2 and 2.5.
var mp3Bitrates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// parseMP3Header reads a frame header; ok is false where it is none. The size
// is that of layer III.
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
	}
	table := 0
	if h.version != 1 {
		table, h.samples = 1, 576
		h.rateHz /= 2
	}
	if h.version == 25 {
		h.rateHz /= 2
	}
	if kbits := mp3Bitrates[table][word>>12&15]; kbits > 0 {
		h.bytes = h.samples/8*kbits*1000/h.rateHz + int(word>>9&1)
	}
	return h, word&3 != 2 // reserved emphasis
}

// sideBytes of the side information behind the header and its checksum.
func (h mp3Header) sideBytes() int {
	switch {
	case h.version == 1 && h.channels == 2:
		return 32
	case h.version == 1, h.channels == 2:
		return 17
	default:
		return 9
	}
}

// continues reports whether a frame can be decoded behind another: bit rate
// and channels may change.
func (h mp3Header) continues(previous mp3Header) bool {
	return h.version == previous.version && h.layer == previous.layer && h.rateHz == previous.rateHz &&
		h.bytes > mp3HeaderBytes+2+h.sideBytes()
}

// mp3Notes are what an encoder notes about the file.
type mp3Notes struct {
	// frames of sound in the file; 0 where they were not counted.
	frames int64
	// bytes of the file from the notes on; 0 where they were not counted. end is
	// the place in the file where they end.
	bytes, end int64
	// before and behind are the samples that it put around the sound.
	before, behind int
}

// endsAt reports whether the padding behind the sound is at the end of a file of
// so many bytes and frames. It is not where another file follows. Where much
// more stands behind the noted end, that is a cover mostly; the padding stays,
// as ffmpeg leaves it.
func (n mp3Notes) endsAt(fileBytes, frames int64) bool {
	return (n.frames == 0 || n.frames == frames) && (n.bytes == 0 || fileBytes-n.end <= n.bytes/16)
}

// mp3DecoderDelay is what a layer III decoder adds before the sound.
const mp3DecoderDelay = 529

// parseMP3Info recognises the frame without sound in which encoders keep their
// notes; the delays are there where LAME's extension is.
func parseMP3Info(h mp3Header, frame []byte) (notes mp3Notes, ok bool) {
	at := mp3HeaderBytes + h.sideBytes()
	if len(frame) < at+12 {
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
