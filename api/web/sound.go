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

// Sound is a response with the audio that a task returned; its file is removed afterwards.
type Sound struct {
	Artifact *services.Artifact
	// Name is the name, without extension, under which browsers save the file.
	Name string
}

// endings are the file extensions of the content types that services return.
var endings = map[string]string{"audio/wav": ".wav", "audio/flac": ".flac", "audio/pcm": ".pcm"}

// Send writes the response.
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
