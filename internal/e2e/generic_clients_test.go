package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// genericRequest is a request as a client sends it that knows nothing of this server.
type genericRequest struct {
	client string
	// sound is what a form sends as its file, with the name and the type of the part, and
	// fields are its other fields, as name=value in the client's order.
	sound, name, kind string
	fields            []string
	// json is the body of a chat completion; $S is the sound.
	json string
	// useful checks the answer.
	useful func(t *testing.T, answer string)
}

// hears returns a check that the field text has the words.
func hears(words string) func(t *testing.T, answer string) {
	return func(t *testing.T, answer string) {
		t.Helper()
		require.Equal(t, words, field([]byte(answer), "text"), answer)
	}
}

// answersChat checks that a chat completion has an answer.
func answersChat(t *testing.T, answer string) {
	t.Helper()
	var completion struct {
		Choices []struct {
			Message struct{ Role, Content string }
			Reason  string `json:"finish_reason"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &completion), answer)
	require.Len(t, completion.Choices, 1)
	require.NotEmpty(t, completion.Choices[0].Message.Content)
	require.Equal(t, "assistant", completion.Choices[0].Message.Role)
}

// transcribesForAISDK checks what the schema of the AI SDK requires of an answer.
func transcribesForAISDK(t *testing.T, answer string) {
	t.Helper()
	hears("MUTE TRACK ONE")(t, answer)
	var verbose struct {
		Language string
		Duration float64
		Segments []struct {
			ID, Seek         *int
			Start, End       *float64
			Text             *string
			Tokens           []int
			Temperature      *float64
			AvgLogprob       *float64 `json:"avg_logprob"`
			CompressionRatio *float64 `json:"compression_ratio"`
			NoSpeechProb     *float64 `json:"no_speech_prob"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &verbose))
	require.Positive(t, verbose.Duration)
	require.NotEmpty(t, verbose.Segments)
	for _, s := range verbose.Segments {
		require.NotNil(t, s.ID)
		require.NotNil(t, s.Seek)
		require.NotNil(t, s.Start)
		require.NotNil(t, s.End)
		require.NotNil(t, s.Text)
		require.NotEmpty(t, s.Tokens)
		require.NotNil(t, s.Temperature)
		require.Negative(t, *s.AvgLogprob)
		require.Positive(t, *s.CompressionRatio)
		require.Less(t, *s.NoSpeechProb, 0.5)
	}
}

// genericRequests are ten requests of clients, as their source code sends them.
var genericRequests = []genericRequest{
	{client: "Open WebUI, speech settings", sound: "speech", name: "0b7e6a5c.wav", kind: "audio/wav",
		fields: []string{"model=whisper-1", "language=en"}, useful: hears("MUTE TRACK ONE")},
	{client: "Open WebUI, list of models", useful: func(t *testing.T, answer string) {
		t.Helper()
		var list struct {
			Object string
			Data   []struct{ ID, Object string }
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &list))
		require.Equal(t, "list", list.Object)
		require.Contains(t, list.Data, struct{ ID, Object string }{"whisper-1", "model"})
	}},
	{client: "n8n, transcribe a recording", sound: "speech.mp3", name: "data.mp3", kind: "audio/mpeg",
		fields: []string{"model=whisper-1", "language=en", "temperature=0"}, useful: hears("MUTE TRACK ONE")},
	{client: "Home Assistant, cloud speech-to-text", sound: "piped", name: "audio.wav", kind: "audio/wav",
		fields: []string{"model=gpt-4o-mini-transcribe", "language=en", "prompt=", "temperature=0", "response_format=json"},
		useful: hears("MUTE TRACK ONE")},
	{client: "LangChain, parser of recordings", sound: "speech.webm", name: "chunk_0.webm", kind: "application/octet-stream",
		fields: []string{"model=whisper-1", "prompt=A session in a studio.", "response_format=json", "temperature=0.0"},
		useful: hears("MUTE TRACK ONE")},
	{client: "LangChain, chat with a system message", json: `{"messages":[{"content":"You are a helpful assistant.","role":"system"},
		{"content":[{"type":"text","text":"What do you hear first?"},{"type":"input_audio","input_audio":{"data":"$S","format":"wav"}}],
		"role":"user"}],"model":"gama-tiny","n":1,"stream":false,"temperature":0.7}`, useful: answersChat},
	{client: "LangChain, streamed", json: `{"messages":[{"content":"Answer briefly.","role":"developer"},
		{"content":[{"type":"text","text":"What do you hear first?"},{"type":"input_audio","input_audio":{"data":"$S","format":"wav"}}],
		"role":"user"}],"model":"gama-tiny","stream":true,"stream_options":{"include_usage":true},"tools":null}`,
		useful: func(t *testing.T, answer string) {
			t.Helper()
			require.Contains(t, answer, `"delta":{"content":"`)
			require.Contains(t, answer, `"total_tokens":`)
			require.True(t, strings.HasSuffix(answer, "data: [DONE]\n\n"))
		}},
	{client: "AI SDK, transcribe", sound: "speech", name: "audio.wav", kind: "audio/wav",
		fields: []string{"model=whisper-1", "response_format=verbose_json", "temperature=0", "timestamp_granularities[]=segment"},
		useful: transcribesForAISDK},
	{client: "OpenAI's Python client, scores", sound: "speech.flac", name: "the \"best\" take.flac", kind: "audio/flac",
		fields: []string{"model=gpt-4o-transcribe", "include[]=logprobs", "chunking_strategy=auto", "response_format=json"},
		useful: func(t *testing.T, answer string) {
			t.Helper()
			hears("MUTE TRACK ONE")(t, answer)
			require.Contains(t, answer, `{"token":"M","bytes":[77],"logprob":-`)
		}},
	{client: "OpenAI's npm client, streamed", sound: "speech-silk.opus", name: "stimme-ü.opus", kind: "audio/ogg",
		fields: []string{"model=gpt-4o-transcribe", "stream=true", "chunking_strategy[type]=server_vad", "chunking_strategy[threshold]=0.5"},
		useful: func(t *testing.T, answer string) {
			t.Helper()
			require.Contains(t, answer, `data: {"type":"transcript.text.delta","delta":"MUTE`)
			require.Contains(t, answer, `{"type":"transcript.text.done","text":"MUTE TRACK ONE"`)
		}},
}

// TestTenRequestsOfGenericClients sends them to a fresh server with its default settings.
func TestTenRequestsOfGenericClients(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Len(t, genericRequests, 10)
	sound := base64.StdEncoding.EncodeToString(recording(t, "sound"))
	for _, c := range genericRequests {
		t.Run(c.client, func(t *testing.T) {
			method, path, body, contentType := http.MethodGet, "/v1/models", "", ""
			switch {
			case c.json != "":
				method, path, contentType = http.MethodPost, "/v1/chat/completions", "application/json"
				body = strings.ReplaceAll(c.json, "$S", sound)
			case c.sound != "":
				method, path, contentType = http.MethodPost, "/v1/audio/transcriptions", "multipart/form-data; boundary=----form"
				for _, one := range c.fields {
					name, value, _ := strings.Cut(one, "=")
					body += "------form\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
				}
				body += "------form\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + c.name + "\"\r\nContent-Type: " + c.kind +
					"\r\n\r\n" + string(unusual(t, c.sound)) + "\r\n------form--\r\n"
			}
			request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
			require.NoError(t, err)
			request.Header.Set("Content-Type", contentType)
			request.Header.Set("Authorization", "Bearer sk-not-needed-here")
			status, answer := do(t, request)
			require.Equal(t, http.StatusOK, status, answer)
			c.useful(t, answer)
		})
	}
}
