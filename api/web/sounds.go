package web

import (
	"archive/zip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// typeZip is the media type of an archive with several sounds.
const typeZip = "application/zip"

// wantsArchive reports whether the sounds of a result are sent as an archive: if there are
// several, or the client accepts nothing else.
func (r *Route) wantsArchive(accept []string, sounds *services.Artifact) bool {
	return slices.Contains(r.offers, typeZip) && (len(sounds.More) > 0 || strings.Contains(strings.Join(accept, ","), typeZip))
}

// archive is a response with sounds and their description as a ZIP archive, which is not
// compressed. Their files are removed afterwards.
type archive struct {
	sounds *services.Artifact
	name   string
	// about is the description as JSON.
	about []byte
}

// Send writes the response.
func (a archive) Send(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, a.sounds.Remove()) }()
	list := a.sounds.All()
	sums := make([]uint32, len(list))
	for i, one := range list { // so that readers without a seek know where a file ends
		if sums[i], err = checksum(one); err != nil {
			return services.Internal(err, "the result could not be read")
		}
	}
	header := w.Header()
	header.Set("Content-Type", typeZip)
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.name + ".zip"}))
	w.WriteHeader(http.StatusOK)
	if err := a.write(w, list, sums); err != nil {
		return fmt.Errorf("send the sounds: %w", err)
	}
	return nil
}

func (a archive) write(w io.Writer, list []*services.Artifact, sums []uint32) error {
	out := zip.NewWriter(w)
	digits := len(strconv.Itoa(len(list)))
	for i, one := range list {
		name := fmt.Sprintf("%s-%0*d%s", a.name, digits, i+1, ending(one.ContentType))
		if err := store(out, name, one.Bytes, sums[i], one.Open); err != nil {
			return err
		}
	}
	file, err := out.Create(a.name + ".json")
	if err != nil {
		return err
	}
	if _, err := file.Write(append(a.about, '\n')); err != nil {
		return err
	}
	return out.Close()
}

// store adds a file to an archive.
func store(out *zip.Writer, name string, size int64, sum uint32, open func() (io.ReadSeekCloser, error)) error {
	entry, err := out.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: sum, CompressedSize64: uint64(size), UncompressedSize64: uint64(size),
	})
	if err != nil {
		return err
	}
	file, err := open()
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, file)
	return errors.Join(err, file.Close())
}

// checksum returns the checksum of a file in an archive.
func checksum(artifact *services.Artifact) (uint32, error) {
	file, err := artifact.Open()
	if err != nil {
		return 0, err
	}
	sum := crc32.NewIEEE()
	_, err = io.Copy(sum, file)
	return sum.Sum32(), errors.Join(err, file.Close())
}

// inlineSounds is a response with sounds as base64 in JSON, which is written as a stream.
// Their files are removed afterwards.
type inlineSounds struct {
	sounds *services.Artifact
	// before and after are the fields of the JSON object on both sides of the sounds, as
	// JSON objects.
	before, after []byte
}

// Send writes the response.
func (s inlineSounds) Send(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, s.sounds.Remove()) }()
	w.Header().Set("Content-Type", typeJSON)
	list := s.sounds.All()
	opening := string(s.before[:len(s.before)-1])
	if opening != "{" {
		opening += ","
	}
	closing := "]}"
	if rest := string(s.after[1:]); rest != "}" {
		closing = "]," + rest
	}
	size := int64(len(opening) + len(`"sounds":[`) + len(closing) + len("\n"))
	var heads []string
	for i, one := range list {
		kind, err := json.Marshal(one.ContentType)
		if err != nil {
			return services.Internal(err, "the answer could not be encoded")
		}
		head := fmt.Sprintf(`{"content_type":%s,"bytes":%d,"audio":"`, kind, one.Bytes)
		if i > 0 {
			head = "," + head
		}
		heads = append(heads, head)
		size += int64(len(head)) + (one.Bytes+2)/3*4 + int64(len(`"}`))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if err := s.write(w, list, heads, opening+`"sounds":[`, closing+"\n"); err != nil {
		return fmt.Errorf("send the sounds: %w", err)
	}
	return nil
}

func (inlineSounds) write(w io.Writer, list []*services.Artifact, heads []string, opening, closing string) error {
	if _, err := io.WriteString(w, opening); err != nil {
		return err
	}
	for i, one := range list {
		if _, err := io.WriteString(w, heads[i]); err != nil {
			return err
		}
		file, err := one.Open()
		if err != nil {
			return err
		}
		encoder := base64.NewEncoder(base64.StdEncoding, w)
		_, err = io.Copy(encoder, io.LimitReader(file, one.Bytes))
		if err = errors.Join(err, encoder.Close(), file.Close()); err != nil {
			return err
		}
		if _, err := io.WriteString(w, `"}`); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, closing)
	return err
}
