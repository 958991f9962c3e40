package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// soundClip is a clip of the embedded audio language model.
func soundClip(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("models", "gama-tiny", "clips", name))
	require.NoError(t, err)
	return data
}

// question makes the body of a chat completion; further fields come as JSON.
func question(t *testing.T, text string, sound []byte, fields string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(t, err)
	content := string(quoted)
	if sound != nil {
		content = `[{"type":"text","text":` + content + `},{"type":"input_audio","input_audio":{"data":"` +
			base64.StdEncoding.EncodeToString(sound) + `","format":"wav"}}]`
	}
	return `{"messages":[{"role":"user","content":` + content + `}]` + fields + `}`
}

// send sends a request and returns the whole response.
func (s *server) send(t *testing.T, method, path, kind string, body io.Reader) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

func (s *server) chat(t *testing.T, body string) (int, string) {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/chat/completions", "application/json", strings.NewReader(body))
}

// sendForm posts a recording with fields.
func (s *server) sendForm(t *testing.T, path string, sound []byte, fields ...string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(t, form.WriteField(fields[i], fields[i+1]))
	}
	part, err := form.CreateFormFile("file", "sound.wav")
	require.NoError(t, err)
	_, err = part.Write(sound)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return s.send(t, http.MethodPost, path, form.FormDataContentType(), &body)
}

// completion is an answer of the chat route.
type completion struct {
	Model     string
	ContextID string `json:"context_id"`
	Choices   []struct {
		Message struct{ Role, Content string }
		Delta   struct{ Role, Content string }
		Finish  string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
		Details    struct {
			Audio  int `json:"audio_tokens"`
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

func readCompletion(t *testing.T, body string) (c completion) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &c), body)
	return c
}

func TestQuestionsAboutASound(t *testing.T) {
	t.Parallel()
	s := start(t)
	sound := soundClip(t, "clip00.wav")
	status, body := s.chat(t, question(t, "What do you hear first?", sound, `,"temperature":0`))
	require.Equal(t, http.StatusOK, status, body)
	answer := readCompletion(t, body)
	require.Equal(t, "A bell.", answer.Choices[0].Message.Content)
	require.Equal(t, "gama-tiny assistant stop", answer.Model+" "+answer.Choices[0].Message.Role+" "+answer.Choices[0].Finish)
	require.Equal(t, 16, answer.Usage.Details.Audio)
	require.Equal(t, answer.Usage.Prompt+answer.Usage.Completion, answer.Usage.Total)

	status, body = s.chat(t, question(t, "What can be heard in this clip?", sound, `,"stream":true,"stream_options":{"include_usage":true}`))
	require.Equal(t, http.StatusOK, status, body)
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	require.Equal(t, "data: [DONE]", events[len(events)-1])
	text, finish := "", ""
	for _, event := range events[:len(events)-2] {
		chunk := readCompletion(t, strings.TrimPrefix(event, "data: "))
		require.Len(t, chunk.Choices, 1, event)
		text += chunk.Choices[0].Delta.Content
		finish += chunk.Choices[0].Finish
	}
	require.Equal(t, "I hear a bell, then a siren. stop", text+" "+finish)
	counts := readCompletion(t, strings.TrimPrefix(events[len(events)-2], "data: "))
	require.Empty(t, counts.Choices)
	require.Equal(t, 10, counts.Usage.Completion)

	status, body = s.sendForm(t, "/v1/audio/captions", soundClip(t, "clip03.wav"))
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"text":"I hear white noise."`)
}

func TestConversations(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.sendForm(t, "/v1/contexts", soundClip(t, "clip00.wav"))
	require.Equal(t, http.StatusCreated, status, body)
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	for i, want := range []string{"A bell.", "I hear a bell, then a siren."} {
		status, body = s.chat(t, question(t, []string{"What do you hear first?", "What can be heard in this clip?"}[i], nil,
			`,"context_id":"`+made.ID+`"`))
		require.Equal(t, http.StatusOK, status, body)
		answer := readCompletion(t, body)
		require.Equal(t, want, answer.Choices[0].Message.Content)
		require.Equal(t, made.ID, answer.ContextID)
		require.Equal(t, i > 0, answer.Usage.Details.Cached > 0)
	}
	status, body = s.get(t, "/v1/contexts/"+made.ID)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `{"answer":"A bell.","question":"What do you hear first?"}`)
	_, body = s.get(t, "/v1/contexts")
	require.Contains(t, body, made.ID)
	status, _ = s.send(t, http.MethodDelete, "/v1/contexts/"+made.ID, "application/json", nil)
	require.Equal(t, http.StatusNoContent, status)
	status, body = s.get(t, "/v1/contexts/"+made.ID)
	require.Equal(t, http.StatusNotFound, status, body)
	status, body = s.chat(t, question(t, "x", nil, `,"context_id":"`+made.ID+`"`))
	require.Equal(t, http.StatusNotFound, status, body)
	require.Contains(t, body, "context_id")
}

func TestWrongQuestionsAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := start(t)
	sound := soundClip(t, "clip03.wav")
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"no sound":         {question(t, "x", nil, ""), 400, "messages: input_audio is missing"},
		"tools":            {question(t, "x", sound, `,"tools":[{"type":"function"}]`), 400, `"param":"tools"`},
		"two answers":      {question(t, "x", sound, `,"n":2`), 400, `"param":"n"`},
		"temperature":      {question(t, "x", sound, `,"temperature":9`), 400, "temperature"},
		"a system message": {`{"messages":[{"role":"system","content":"x"}]}`, 400, "messages must end with a message of role user"},
		"no base64": {`{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_audio",` +
			`"input_audio":{"data":"%%"}}]}]}`, 400, "messages[0].content[1].input_audio.data is not valid base64"},
		"no text": {`{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg=="}}]}]}`, 400,
			"messages must end with a text"},
		"no recording":  {question(t, "x", []byte("hello, world"), ""), 415, "input_audio"},
		"another model": {question(t, "x", sound, `,"model":"audioldm-tiny"`), 400, "is of type"},
		"two settings":  {question(t, "x", sound, `,"max_tokens":1,"max_completion_tokens":2`), 400, "its new name"},
		"stop":          {question(t, "x", sound, `,"stop":["a","b","c","d","e"]`), 400, "stop"},
		"too large":     {question(t, strings.Repeat("x", 33<<20), nil, ""), 413, "33554432 bytes"},
	} {
		status, body := s.chat(t, c.body)
		require.Equal(t, c.status, status, "%s: %s", name, body)
		require.Contains(t, body, c.says, name)
		require.Contains(t, body, `"type":"`, name)
	}
	status, body := s.sendForm(t, "/v1/audio/captions", sound, "seed", "x", "max_tokens", "0.5", "colour", "red")
	require.Equal(t, http.StatusBadRequest, status, body)
	for _, field := range []string{"seed", "max_tokens", "colour"} {
		require.Contains(t, body, field)
	}
}

// TestTheLoopCloses asks one model what another has made: the family that was
// prompted for must be among what is heard. Families that the second model never
// learnt are left out.
func TestTheLoopCloses(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes seventeen sounds")
	}
	s := start(t)
	named := 0
	families := map[string]string{
		"a sine tone": "sine tone", "a chirp": "sweep", "white noise": "white noise", "a kick drum": "kick drum",
		"a snare drum": "snare drum", "a hi-hat": "hi-hat", "a bell": "bell", "a plucked string": "plucked string",
		"a siren": "siren", "rain": "rain", "wind": "wind", "beeps": "beeping", "an engine": "engine",
		"clicks": "clicking", "an organ": "organ chord", "birds": "birdsong", "ocean waves": "ocean waves",
	}
	for prompt, name := range families {
		response, sound := s.generate(t, `{"prompt":"`+prompt+`","seed":1}`, "Accept", "audio/wav")
		require.Equal(t, http.StatusOK, response.StatusCode, string(sound))
		status, body := s.sendForm(t, "/v1/audio/captions", sound)
		require.Equal(t, http.StatusOK, status, body)
		var transcript struct{ Text string }
		require.NoError(t, json.Unmarshal([]byte(body), &transcript))
		if strings.Contains(transcript.Text, name) {
			named++
		} else {
			t.Logf("%s: %s", prompt, transcript.Text)
		}
	}
	t.Logf("%d of %d families are named", named, len(families))
	require.GreaterOrEqual(t, named*100, 70*len(families))
}
