package audiofile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/grym-synth/grym-synth/services"
)

// Sizes of a description of sound after its size and type, in QuickTime's versions.
const (
	mp4EntryBytes  = 28
	mp4EntryBytes1 = mp4EntryBytes + 16
	mp4EntryBytes2 = mp4EntryBytes + 36
)

// describe parses the first entry of a sample description of the file with the given
// name.
func (t *mp4Track) describe(raw []byte, what string) {
	t.head, t.reason = nil, services.Invalidf(field, "is an MP4 file with a damaged description of its sound")
	if len(raw) < 8+mp4EntryBytes {
		return
	}
	be := binary.BigEndian
	if size := int(be.Uint32(raw)); size >= 8+mp4EntryBytes && size < len(raw) {
		raw = raw[:size]
	}
	t.codec = string(raw[4:8])
	entry := raw[8:]
	boxes := entry[mp4EntryBytes:]
	version := be.Uint16(entry[8:])
	wave := waveFormat{channels: int(be.Uint16(entry[16:])), bits: int(be.Uint16(entry[18:])), sampleRateHz: int(be.Uint16(entry[24:]))}
	switch {
	case version == 1 && len(entry) >= mp4EntryBytes1:
		boxes = entry[mp4EntryBytes1:]
	case version == 2 && len(entry) >= mp4EntryBytes2:
		boxes = entry[mp4EntryBytes2:]
		wave.sampleRateHz = int(min(max(0, math.Float64frombits(be.Uint64(entry[32:]))), math.MaxInt32))
		wave.channels, wave.bits = int(min(be.Uint32(entry[40:]), math.MaxUint16)), int(min(be.Uint32(entry[48:]), math.MaxUint16))
	}
	if inner := innerBox(boxes, "wave"); inner != nil { // of QuickTime
		boxes = slices.Concat(boxes, inner)
	}
	var err error
	switch t.codec {
	case "Opus":
		t.head, err = parseOpusBox(innerBox(boxes, "dOps"))
	case "fLaC":
		t.head, err = parseFLACBox(innerBox(boxes, "dfLa"))
	case "alac":
		raw := innerBox(boxes, "alac")
		t.head, err = parseALACConfig(raw[min(4, len(raw)):])
	default:
		t.head, err = mp4PCM(t.codec, wave, boxes, entry, version)
		if errors.Is(err, errNoPCM) {
			err = unsupported("is %s with sound coded as %s", what, cmp.Or(mp4Codecs[t.codec], strconv.Quote(t.codec)))
		}
	}
	t.reason = err
}

// parseOpusBox parses the header of Opus in MP4, which is that of Ogg with the opposite
// order of bytes.
func parseOpusBox(raw []byte) (*streamHead, error) {
	if len(raw) < 11 {
		return nil, services.Invalidf(field, "has a damaged Opus header")
	}
	head := append([]byte("OpusHead\x01"), raw[1:]...)
	for _, at := range [][2]int{{10, 12}, {12, 16}, {16, 18}} {
		slices.Reverse(head[at[0]:at[1]])
	}
	return parseOpusHead(head)
}

// parseFLACBox parses the header of FLAC in MP4: its first block of metadata.
func parseFLACBox(raw []byte) (*streamHead, error) {
	const before = 8 // version and flags, the block's type and size
	return parseFLACInfo(raw[min(before, len(raw)):])
}

// errNoPCM is the error of mp4PCM for another codec.
var errNoPCM = errors.New("no PCM")

// mp4Codecs are the names of other codecs.
var mp4Codecs = map[string]string{
	"mp4a": "AAC", "samr": "AMR", "sawb": "AMR-WB", "ac-3": "Dolby AC-3", "ec-3": "Dolby E-AC-3", ".mp3": "MP3", "enca": "encrypted sound",
	"ima4": "IMA ADPCM", "QDM2": "QDesign Music",
}

// mp4PCM describes a track of PCM.
func mp4PCM(codec string, wave waveFormat, boxes, entry []byte, version uint16) (*streamHead, error) {
	little := bytes.HasPrefix(innerBox(boxes, "enda"), []byte{0, 1})
	ok := false
	switch codec {
	case "twos":
		wave.codec, ok = linearCodec(wave.bits, false, false)
	case "sowt":
		wave.codec, ok = linearCodec(wave.bits, false, true)
	case "raw ", "NONE":
		wave.codec, ok = integerCodecs[0], wave.bits == 8
		if wave.bits == 16 {
			wave.codec, ok = bigCodecs[1], true
		}
	case "in24":
		wave.bits = 24
		wave.codec, ok = linearCodec(24, false, little)
	case "in32":
		wave.bits = 32
		wave.codec, ok = linearCodec(32, false, little)
	case "fl32":
		wave.bits = 32
		wave.codec, ok = linearCodec(32, true, little)
	case "fl64":
		wave.bits = 64
		wave.codec, ok = linearCodec(64, true, little)
	case "alaw":
		wave.bits = 8
		wave.codec, ok = aLawCodec, true
	case "ulaw":
		wave.bits = 8
		wave.codec, ok = muLawCodec, true
	case "ipcm", "fpcm": // ISO 23003-5
		raw := innerBox(boxes, "pcmC")
		if len(raw) >= 6 {
			wave.bits = int(raw[5])
			wave.codec, ok = linearCodec(wave.bits, codec == "fpcm", raw[4]&1 == 1)
		}
	case "lpcm":
		if version == 2 && len(entry) >= mp4EntryBytes2 {
			wave.codec, ok = quickTimePCM(wave, entry)
		}
	}
	if !ok || wave.codec.sampleBytes == 0 {
		return nil, errNoPCM
	}
	if wave.channels < 1 || wave.sampleRateHz < 1 {
		return nil, services.Invalidf(field, "has an impossible header: %d channels, %d Hz", wave.channels, wave.sampleRateHz)
	}
	return pcmHead(pcmFormat(wave.codec, wave.bits, wave.channels, wave.sampleRateHz)), nil
}

// quickTimePCM returns the encoding of samples that are described by flags.
func quickTimePCM(wave waveFormat, entry []byte) (codec, bool) {
	const float, big, signed = 1, 2, 4
	flags, frameBytes := binary.BigEndian.Uint32(entry[52:]), binary.BigEndian.Uint32(entry[56:])
	c, ok := linearCodec(wave.bits, flags&float != 0, flags&big == 0)
	if wave.bits == 8 && flags&(float|signed) == 0 {
		c = integerCodecs[0]
	}
	return c, ok && uint64(frameBytes) == uint64(wave.channels)*uint64(c.sampleBytes)
}
