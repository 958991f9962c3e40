package audiofile

import (
	"encoding/binary"
	"strings"

	"github.com/mewkiz/flac/meta"
)

// Tag is one entry of metadata. The key is a name of Vorbis comments. WAV supports only
// the keys below, and raw samples none.
type Tag struct{ Key, Value string }

// Keys that every container with metadata supports.
const (
	TagTitle    = "TITLE"
	TagComment  = "COMMENT"
	TagSoftware = "ENCODER"
)

// infoIDs are the chunks of a WAV file's LIST of type INFO, in the order of writing.
var infoIDs = []struct{ key, id string }{{TagTitle, "INAM"}, {TagComment, "ICMT"}, {TagSoftware, "ISFT"}}

// maxTagBytes is the maximum size of a value; longer values are truncated at a
// character.
const maxTagBytes = 16 << 10

// clean returns a value that every reader supports: UTF-8 without NUL, which ends a
// string in WAV.
func (t Tag) clean() string {
	value := strings.ReplaceAll(strings.ToValidUTF8(t.Value, "\uFFFD"), "\x00", " ")
	if len(value) > maxTagBytes {
		value = strings.ToValidUTF8(value[:maxTagBytes], "")
	}
	return value
}

// infoChunk returns a LIST chunk with the supported tags, or nothing if there are none.
func infoChunk(tags []Tag) []byte {
	list := []byte("INFO")
	for _, info := range infoIDs {
		for _, tag := range tags {
			if tag.Key != info.key || tag.Value == "" {
				continue
			}
			text := append([]byte(tag.clean()), 0)
			list = append(list, info.id...)
			list = binary.LittleEndian.AppendUint32(list, uint32(len(text)))
			list = append(list, text...)
			if len(text)%2 == 1 {
				list = append(list, 0)
			}
			break
		}
	}
	if len(list) == len("INFO") {
		return nil
	}
	return append(binary.LittleEndian.AppendUint32([]byte("LIST"), uint32(len(list))), list...)
}

// commentBlocks returns a FLAC file's block of Vorbis comments.
func commentBlocks(tags []Tag) []*meta.Block {
	if len(tags) == 0 {
		return nil
	}
	comment := &meta.VorbisComment{Vendor: "grym-synth"}
	// The library writes no body if the length is zero, and otherwise computes the
	// length.
	length := int64(4 + len(comment.Vendor) + 4)
	for _, tag := range tags {
		if tag.Value == "" {
			continue
		}
		comment.Tags = append(comment.Tags, [2]string{tag.Key, tag.clean()})
		length += int64(4 + len(tag.Key) + 1 + len(tag.clean()))
	}
	return []*meta.Block{{Header: meta.Header{Type: meta.TypeVorbisComment, Length: length}, Body: comment}}
}
