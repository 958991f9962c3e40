package audiofile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// maxMediaParts is the maximum number of parts of a file that are visited, each of
// which costs a read.
const maxMediaParts = 1 << 20

// judgeMedia examines the structure of a file that ffmpeg will decode, because the
// program reports neither that a file is truncated nor that it ignored data after the
// first one. It adds warnings for both, and rejects files of which part would be lost.
func judgeMedia(f file, head []byte) error {
	switch {
	case isMP4(head):
		return judgeMP4(f)
	case bytes.HasPrefix(head, []byte("FORM")) && len(head) >= riffHeaderBytes:
		size := int64(binary.BigEndian.Uint32(head[4:8]))
		if size > 0 && !isUnknownChunk(size, f.size) {
			return f.promises(chunkHeaderBytes+size, "FORM chunk")
		}
	case bytes.HasPrefix(head, []byte(".snd")) && len(head) >= 12:
		if size := binary.BigEndian.Uint32(head[8:12]); size != math.MaxUint32 {
			return f.promises(int64(binary.BigEndian.Uint32(head[4:8]))+int64(size), "header")
		}
	case bytes.HasPrefix(head, []byte("riff\x2e\x91\xcf\x11")) && len(head) >= 24:
		if size := binary.LittleEndian.Uint64(head[16:24]); size > 0 && size < math.MaxInt64 {
			return f.promises(int64(size), "header")
		}
	case bytes.HasPrefix(head, []byte("caff")):
		return judgeCAF(f)
	case bytes.HasPrefix(head, []byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11")):
		return judgeASF(f, head)
	case isADTSFrame(head):
		return judgeFrames(f, "AAC", adtsBytes)
	case layer2Bytes(head) > 0:
		return judgeFrames(f, "MPEG layer II", layer2Bytes)
	case bytes.HasPrefix(head, oggMark):
		return judgeOgg(f)
	case bytes.HasPrefix(head, flacMarks[0][:4]): // of more bits than are decoded here
		if joined, err := f.contains(int64(len(flacMarks[0])), flacMarks...); err != nil || joined {
			return cmp.Or(err, joinedFault("another FLAC file", 0))
		}
	case bytes.HasPrefix(head, []byte(ebmlMark)):
		return judgeMatroska(f)
	case len(head) > tsPacket && head[0] == tsMark && head[tsPacket] == tsMark && f.size%tsPacket != 0:
		return f.notes.truncated("it ends within a packet of its transport stream")
	}
	return nil
}

// promisedFrames returns the length stated by a FLAC header, or 0 for any other file.
func promisedFrames(head []byte) int64 {
	const at = 18 // of 64 bits, of which the lower 36 count the samples
	if !bytes.HasPrefix(head, flacMarks[0][:4]) || len(head) < at+8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(head[at:]) & (1<<36 - 1))
}

// Packets of an MPEG transport stream.
const (
	tsPacket = 188
	tsMark   = 0x47
)

// promises compares the size of a file with its stated end.
func (f file) promises(end int64, where string) error {
	if end > f.size+1 { // padding that is not counted
		return f.notes.truncated("its %s promises %d bytes, %d are there", where, end, f.size)
	}
	if end <= 0 {
		return nil
	}
	return noteBehind(f, min(f.size, end+end%2), "the end that its "+where+" states")
}

// judgeCAF examines the chunks of a Core Audio file.
func judgeCAF(f file) error {
	at := int64(8)
	for n := 0; n < maxMediaParts && at+12 <= f.size; n++ {
		var header [12]byte
		if _, err := peekAt(f.r, at, header[:]); err != nil {
			return err
		}
		size := binary.BigEndian.Uint64(header[4:])
		if string(header[:4]) == "data" && size > math.MaxInt64>>1 { // unknown: to the end
			return nil
		}
		if size > math.MaxInt64>>1 {
			return noteBehind(f, at, "its last chunk")
		}
		if !isChunkID(header[:4]) || string(header[:4]) == "caff" {
			return noteBehind(f, at, "its last chunk")
		}
		if at += 12 + int64(size); at > f.size {
			return f.notes.truncated("its %q chunk promises %d bytes more than there are", header[:4], at-f.size)
		}
	}
	return nil
}

// asfFileProperties is the id of the object with the file's size.
var asfFileProperties = []byte("\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65")

// judgeASF compares the file's size with that stated by a Windows Media file, unless it
// was broadcast.
func judgeASF(f file, head []byte) error {
	const sizeAt, flagsAt, broadcast = 40, 88, 1
	if at := bytes.Index(head, asfFileProperties); at >= 0 && len(head) >= at+flagsAt+4 {
		object := head[at:]
		size := binary.LittleEndian.Uint64(object[sizeAt:])
		if binary.LittleEndian.Uint32(object[flagsAt:])&broadcast == 0 && size > uint64(at) && size < math.MaxInt64 {
			return f.promises(int64(size), "header")
		}
	}
	return nil
}

// judgeFrames examines the frames of a format that consists of frames alone: next returns
// the size of the frame that begins there, 0 if none does.
func judgeFrames(f file, what string, next func(head []byte) int) error {
	src, err := openSource(f, bufferBytes)
	if err != nil {
		return err
	}
	for {
		head, err := src.Peek(adtsHeaderBytes)
		if err != nil && !src.isEnd(err) {
			return readFault(err)
		}
		if size := next(head); size > 0 {
			if n, err := src.Discard(size); src.isEnd(err) {
				return f.notes.truncated("it ends within a frame of %s, of which it has %d bytes of %d", what, n, size)
			} else if err != nil {
				return readFault(err)
			}
			continue
		}
		if tag, err := src.skipTag(); err != nil {
			return readFault(err)
		} else if tag {
			continue
		}
		head, _ = src.Peek(sniffBytes)
		if found := another(head); found != "" {
			return joinedFault(found, 0)
		}
		return nil // the end, or damage behind which ffmpeg looks for the next one
	}
}

// adtsHeaderBytes of a frame of AAC.
const adtsHeaderBytes = 7

// adtsBytes is the size of a frame of AAC. One whose header is cut has that of
// the header.
func adtsBytes(head []byte) int {
	switch {
	case len(head) >= 2 && len(head) < adtsHeaderBytes && head[0] == 0xff && head[1]&0xf6 == 0xf0:
		return adtsHeaderBytes
	case len(head) < adtsHeaderBytes || !isADTSFrame(head):
		return 0
	}
	return int(head[3]&3)<<11 | int(head[4])<<3 | int(head[5])>>5
}

// layer2Bytes is the size of a frame of MPEG layer II.
func layer2Bytes(head []byte) int {
	h, ok := parseMP3Header(head)
	if !ok || h.layer != 2 {
		return 0
	}
	return h.bytes
}

// judgeOgg walks the pages of a file whose sound is not decoded here. Of a
// chain ffmpeg decodes the links of one codec, but not those of Opus and Speex
// that have another layout than the first.
func judgeOgg(f file) error {
	src, err := openSource(f, oggBuffer)
	if err != nil {
		return err
	}
	pages := oggPages{src: src}
	layouts, data := map[string]string{}, false
	for {
		err := pages.advance()
		switch {
		case errors.Is(err, io.EOF):
			if pages.next != "" {
				return joinedFault(pages.next, 0)
			}
			return nil
		case src.isEnd(err):
			return f.notes.truncated("it ends within a page of Ogg")
		case err != nil:
			return readFault(err)
		}
		codec := pages.page.codec()
		if !pages.page.isFirst() {
			data = true
		} else if codec != "" {
			first, known := layouts[codec]
			layout := oggLayout(codec, pages.page.body)
			if data && (!known || first != layout) {
				return services.Invalidf(field, "continues as Ogg %s after sound of another kind; send the parts as separate files",
					codec)
			}
			if !known {
				layouts[codec] = layout
			}
		}
	}
}

// oggLayout returns the part of the first packet that must be the same in every link.
func oggLayout(codec string, packet []byte) string {
	switch {
	case codec == "Opus" && len(packet) > 18:
		return string(packet[9]) + string(packet[18:])
	case codec == "Speex" && len(packet) >= 52:
		return string(packet[36:40]) + string(packet[48:52])
	}
	return ""
}

// judgeMatroska examines the elements of a file whose sound is not decoded natively.
func judgeMatroska(f file) error {
	src, err := openSource(f, bufferBytes)
	if err != nil {
		return err
	}
	end := int64(0)
	for first := true; ; first = false {
		id, size, err := readElement(src)
		if errors.Is(err, io.EOF) && src.under.err == nil {
			if end > f.size {
				return f.notes.truncated("its segment has %d bytes more than there are", end-f.size)
			}
			return nil
		}
		switch {
		case err != nil:
		case id == idEBML && !first:
			return joinedFault("a WebM or Matroska file", 0)
		case id == idSegment:
			if at := src.offset(); size < unknownSize-at {
				end = at + size
			}
		case id == idCluster:
		default:
			err = discard(src, size)
		}
		if src.under.err != nil {
			return readFault(src.under.err)
		}
		if src.isEnd(err) {
			return f.notes.truncated("it ends within an element of Matroska")
		}
		if err != nil {
			return nil //nolint:nilerr // no element, which ffmpeg judges
		}
	}
}

// nothingDecoded returns the fault for a file that ends before its sound.
func (r *report) nothingDecoded(reason string) error {
	for _, w := range r.warnings {
		if w.Code == services.WarnTruncated {
			return services.Invalidf(field, "%s; nothing of it can be decoded (%s); upload the whole file", w.Message,
				strings.TrimSpace(reason))
		}
	}
	return nil
}
