package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// ownCase is a request as people's clients send it, with what has to be answered.
type ownCase struct {
	Name string `yaml:"name"`
	// Send is the method and the path: of a chat completion with JSON, otherwise of a
	// transcription, unless it is given.
	Send    string            `yaml:"send"`
	Headers map[string]string `yaml:"headers"`
	// Sound is a recording in the field file of a form with Fields. Parts are those of a
	// form written by hand, with Boundary.
	Sound    string            `yaml:"sound"`
	Fields   map[string]string `yaml:"fields"`
	Parts    []string          `yaml:"parts"`
	Boundary string            `yaml:"boundary"`
	JSON     string            `yaml:"json"`

	// Status is 200 unless it is given. Text is the field text of the answer, Body all of
	// it; it contains some texts and lacks others.
	Status   int      `yaml:"status"`
	Text     *string  `yaml:"text"`
	Body     *string  `yaml:"body"`
	Contains []string `yaml:"contains"`
	Lacks    []string `yaml:"lacks"`
	// Warning is the value of Grym-Warning, Answers those of other headers.
	Warning string            `yaml:"warning"`
	Answers map[string]string `yaml:"answers"`
}

// TestOwnCases sends every case of testdata/cases to one server.
func TestOwnCases(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{settings: "api: {cors: {origins: ['https://app.example']}}\naudio: {ffmpeg: 'off'}\n"})
	files, err := filepath.Glob("internal/e2e/testdata/cases/*.yaml")
	require.NoError(t, err)
	count := 0
	for _, file := range files {
		var cases []ownCase
		decoder := yaml.NewDecoder(bytes.NewReader(read(t, file)))
		decoder.KnownFields(true)
		require.NoError(t, decoder.Decode(&cases), file)
		count += len(cases)
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Name, func(t *testing.T) { c.check(t, s) })
		}
	}
	require.GreaterOrEqual(t, count, 60)
}

// check sends the request of a case and checks the answer.
func (c ownCase) check(t *testing.T, s *server) {
	t.Helper()
	if c.Send == "" {
		c.Send = "POST /v1/audio/transcriptions"
		if c.JSON != "" {
			c.Send = "POST /v1/chat/completions"
		}
	}
	method, path, _ := strings.Cut(c.Send, " ")
	body, contentType := c.body(t)
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for name, value := range c.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	answer := string(raw)
	if c.Status == 0 {
		c.Status = http.StatusOK
	}
	require.Equal(t, c.Status, response.StatusCode, answer)
	require.Equal(t, c.Warning, response.Header.Get("Grym-Warning"), answer)
	for name, value := range c.Answers {
		if value == "" {
			require.Empty(t, response.Header.Values(name), name)
			continue
		}
		require.Contains(t, response.Header.Values(name), value, name)
	}
	if c.Text != nil {
		require.Equal(t, *c.Text, field(raw, "text"), answer)
	}
	if c.Body != nil {
		require.Equal(t, *c.Body, answer)
	}
	for _, text := range c.Contains {
		require.Contains(t, answer, text)
	}
	for _, text := range c.Lacks {
		require.NotContains(t, answer, text)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		require.True(t, json.Valid(raw), answer)
	}
}

// body returns what a case sends and its content type.
func (c ownCase) body(t *testing.T) (io.Reader, string) {
	t.Helper()
	sound := base64.StdEncoding.EncodeToString(recording(t, "sound"))
	if c.JSON != "" {
		words := `{"type":"text","text":"What do you hear first?"}`
		part := `{"type":"input_audio","input_audio":{"data":"` + sound + `","format":"wav"}}`
		return strings.NewReader(strings.NewReplacer("$Q", `{"role":"user","content":[`+words+","+part+`]}`, "$T", words, "$S", part,
			"$(base64:sound)", sound).Replace(c.JSON)), "application/json"
	}
	parts := c.Parts
	for name, value := range c.Fields {
		value = strings.ReplaceAll(value, "$(long)", strings.Repeat("mixing the quick brown fox ", 400))
		parts = append(parts, `Content-Disposition: form-data; name="`+name+`"|`+value)
	}
	if c.Sound != "" {
		parts = append(parts, `Content-Disposition: form-data; name="file"; filename="x"|@`+c.Sound)
	}
	if len(parts) == 0 {
		return http.NoBody, ""
	}
	boundary := "boundary"
	if c.Boundary != "" {
		boundary = c.Boundary
	}
	var form bytes.Buffer
	for _, part := range parts {
		headers, content, _ := strings.Cut(part, "|")
		form.WriteString("--" + boundary + "\r\n" + headers + "\r\n\r\n")
		if name, ok := strings.CutPrefix(content, "@"); ok {
			form.Write(unusual(t, name))
		} else {
			form.WriteString(content)
		}
		form.WriteString("\r\n")
	}
	form.WriteString("--" + boundary + "--\r\n")
	return &form, "multipart/form-data; boundary=" + boundary
}

// unusual returns a recording that people have, made from one with the words MUTE TRACK ONE.
func unusual(t *testing.T, name string) []byte {
	t.Helper()
	speech := recording(t, "speech")
	kind, ending, _ := strings.Cut(name, ".")
	kind, variant, _ := strings.Cut(kind, "-")
	file := strings.TrimSuffix("speech."+ending, ".")
	if variant != "" {
		file = "speech-" + variant + "." + ending
	}
	id3 := func(size int) []byte {
		return append([]byte{'I', 'D', '3', 4, 0, 0, byte(size >> 21 & 127), byte(size >> 14 & 127), byte(size >> 7 & 127), byte(size & 127)},
			make([]byte, size)...)
	}
	switch kind {
	case "muted", "dither", "late", "opposite", "piped":
		return unusualWAV(speech, kind)
	case "aiff", "au", "caf", "wave64":
		return contained(speech, kind)
	case "behind":
		return append([]byte("3f2a\r\n\x00"), recording(t, file)...)
	case "silence":
		if variant == "8" {
			header := bytes.Clone(speech[:44])
			binary.LittleEndian.PutUint32(header[28:], 16000)
			binary.LittleEndian.PutUint16(header[32:], 1)
			binary.LittleEndian.PutUint16(header[34:], 8)
			return append(header, bytes.Repeat([]byte{128}, len(speech)-44)...)
		}
	case "cut":
		if ending != "" {
			whole := recording(t, file)
			return whole[:len(whole)*2/3]
		}
	case "cover":
		return append(id3(200_000), recording(t, file)...)
	case "tagged":
		return append(recording(t, file), append([]byte("TAG"), make([]byte, 125)...)...)
	case "zeros":
		return append(make([]byte, 4096), recording(t, file)...)
	case "cuttwice":
		whole := recording(t, file)
		return append(bytes.Clone(whole), whole[:len(whole)*2/3]...)
	case "twice":
		return append(bytes.Clone(recording(t, file)), recording(t, file)...)
	}
	return recording(t, name)
}

// unusualWAV returns a WAV file with 16 bits made from another one.
func unusualWAV(speech []byte, kind string) []byte {
	header, sound := bytes.Clone(speech[:44]), speech[44:]
	var changed []byte
	switch kind {
	case "muted": // with a constant part
		changed = bytes.Repeat([]byte{7, 1}, len(sound)/2)
	case "dither":
		for i := range len(sound) / 2 {
			bit := uint16(i*i>>3&1) - uint16(i>>1*7&1) //nolint:gosec // any bits
			changed = binary.LittleEndian.AppendUint16(changed, bit)
		}
	case "late":
		changed = append(make([]byte, 64000), sound...)
	case "opposite":
		for i := 0; i+1 < len(sound); i += 2 {
			sample := int16(binary.LittleEndian.Uint16(sound[i:])) //nolint:gosec // the bits
			changed = binary.LittleEndian.AppendUint16(changed, uint16(sample))
			changed = binary.LittleEndian.AppendUint16(changed, uint16(-max(sample, -32767)))
		}
		binary.LittleEndian.PutUint16(header[22:], 2)
		binary.LittleEndian.PutUint32(header[28:], 64000)
		binary.LittleEndian.PutUint16(header[32:], 4)
	case "piped":
		changed = sound
	}
	size := uint32(len(changed)) //nolint:gosec // short recordings
	binary.LittleEndian.PutUint32(header[4:], size+36)
	binary.LittleEndian.PutUint32(header[40:], size)
	if kind == "piped" {
		copy(header[4:], "\xff\xff\xff\xff")
		copy(header[40:], "\xff\xff\xff\xff")
	}
	return append(header, changed...)
}
