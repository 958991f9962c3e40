package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// soundResponse answers with the sound that a task made, and removes its file.
type soundResponse struct {
	artifact *services.Artifact
	// name of the file that a browser saves, without an ending.
	name string
}

// endings of the content types that services make.
var endings = map[string]string{"audio/wav": ".wav", "audio/flac": ".flac", "audio/pcm": ".pcm"}

// send writes the answer.
func (s soundResponse) send(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, s.artifact.Remove()) }()
	file, err := s.artifact.Open()
	if err != nil {
		return services.Internal(err, "the result could not be read")
	}
	defer file.Close()
	kind, _, _ := strings.Cut(s.artifact.ContentType, ";")
	header := w.Header()
	header.Set("Content-Type", s.artifact.ContentType)
	header.Set("Content-Length", strconv.FormatInt(s.artifact.Bytes, 10))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.name + endings[kind]}))
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("send the sound: %w", err)
	}
	return nil
}
