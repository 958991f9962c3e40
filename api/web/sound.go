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
var endings = map[string]string{
	"audio/wav": ".wav", "audio/flac": ".flac", "audio/pcm": ".pcm", "audio/mpeg": ".mp3", "audio/aac": ".aac", "audio/ogg": ".ogg",
}

// ending returns the file extension of a content type, or none if it is unknown.
func ending(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return endings[kind]
}

// Send writes the response.
func (s Sound) Send(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, s.Artifact.Remove()) }()
	file, err := s.Artifact.Open()
	if err != nil {
		return services.Internal(err, "the result could not be read")
	}
	defer file.Close()
	header := w.Header()
	header.Set("Content-Type", s.Artifact.ContentType)
	header.Set("Content-Length", strconv.FormatInt(s.Artifact.Bytes, 10))
	name := s.Name + ending(s.Artifact.ContentType)
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("send the sound: %w", err)
	}
	return nil
}
