package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const clips = "models/wav2vec2-tiny/clips/"

func (s *server) get(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	return do(t, request)
}

func do(t testing.TB, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// form returns an upload; without the file if audio is nil.
func form(t testing.TB, audio []byte, fields ...string) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	if audio != nil {
		part, err := w.CreateFormFile("file", "speech.wav")
		require.NoError(t, err)
		_, err = part.Write(audio)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &body, w.FormDataContentType()
}

func (s *server) transcribe(t testing.TB, audio []byte, fields ...string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	return do(t, request)
}

func clip(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(clips + name)
	require.NoError(t, err)
	return data
}

// wav returns a 32-bit float WAV of a quiet tone.
func wav(rate, channels, frames int) []byte {
	size := frames * channels * 4
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 3)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*4))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*4))
	b = binary.LittleEndian.AppendUint16(b, 32)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for i := range frames {
		v := math.Float32bits(float32(0.1 * math.Sin(2*math.Pi*440*float64(i)/float64(rate))))
		for range channels {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	return b
}
