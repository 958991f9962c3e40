package web

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

// Sound answers with the sound that a task made, and removes its file.
type Sound struct {
	Artifact *services.Artifact
	// Name of the file that a browser saves, without an ending.
	Name string
}

// endings of the content types that services make.
var endings = map[string]string{"audio/wav": ".wav", "audio/flac": ".flac", "audio/pcm": ".pcm"}

// Send writes the answer.
func (s Sound) Send(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, s.Artifact.Remove()) }()
	file, err := s.Artifact.Open()
	if err != nil {
		return services.Internal(err, "the result could not be read")
	}
	defer file.Close()
	kind, _, _ := strings.Cut(s.Artifact.ContentType, ";")
	header := w.Header()
	header.Set("Content-Type", s.Artifact.ContentType)
	header.Set("Content-Length", strconv.FormatInt(s.Artifact.Bytes, 10))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.Name + endings[kind]}))
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("send the sound: %w", err)
	}
	return nil
}
