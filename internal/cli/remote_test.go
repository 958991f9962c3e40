package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// upload is a received upload.
type upload struct {
	path   string
	header http.Header
	length int64
	fields map[string][]string
	audio  string
	name   string
}

// answering is a server that records uploads and sends the same response to each.
func answering(t *testing.T, status int, header map[string]string, body string) (url string, uploads *[]upload) {
	t.Helper()
	uploads = new([]upload)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusOK && r.Method == http.MethodPost {
			if !strings.HasPrefix(r.URL.Path, "/base/v1/audio/trans") || r.ParseMultipartForm(1<<20) != nil {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			file, part, err := r.FormFile("file")
			if err == nil {
				data, _ := io.ReadAll(file)
				*uploads = append(*uploads, upload{r.URL.Path, r.Header, r.ContentLength, r.MultipartForm.Value, string(data), part.Filename})
			}
		} else {
			*uploads = append(*uploads, upload{header: r.Header, name: r.URL.Path})
		}
		for key, value := range header {
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/base", uploads
}

func TestTranslations(t *testing.T) {
	t.Parallel()
	url, uploads := answering(t, http.StatusOK, nil, "Good day.")
	in := folder(t, "a.wav")
	var c called
	require.Equal(t, result{ExitOK, "Good day.\n", ""}, run(t, &c, "transcribe", "--server", url, "--translate", in+"/a.wav"))
	require.Equal(t, result{ExitOK, "Good day.\n", ""}, run(t, &c, "transcribe", "--server", url, in+"/a.wav"))
	require.Equal(t, "/base/v1/audio/translations", (*uploads)[0].path)
	require.Equal(t, "/base/v1/audio/transcriptions", (*uploads)[1].path)
	require.Equal(t, result{ExitOK, "ONE\n", ""}, run(t, &c, "transcribe", "--translate", "--model", "m", in+"/a.wav"))
	require.Equal(t, []string{tasks.Translate, "m"}, []string{c.executor.tasks[0].Name, c.executor.tasks[0].Model})
	got := run(t, &c, "transcribe", "--translate", "--window", "3", in+"/a.wav")
	require.Equal(t, ExitMisuse, got.code)
	require.Contains(t, got.err, "--translate and --window cannot be combined")
}

func TestAServerTranscribes(t *testing.T) {
	t.Parallel()
	url, uploads := answering(t, http.StatusOK, nil, "1\nwords\n\n")
	in := folder(t, "a.wav")
	var c called
	require.Equal(t, result{ExitOK, "1\nwords\n\n", ""}, run(t, &c, "transcribe", "--server", url, "--api-key", "k",
		"--model", "m", "--format", "srt",
		"--language", "en", "--prompt", "p q", "--decoding", "beam", "--window", "2.5", in+"/a.wav"))
	got := (*uploads)[0]
	require.Equal(t, map[string][]string{
		"model": {"m"}, "response_format": {"srt"}, "language": {"en"}, "prompt": {"p q"}, "decoding": {"beam"},
		"window_seconds": {"2.5"},
	}, got.fields)
	require.Equal(t, []string{"a.wav", "a.wav", "Bearer k", "100-continue"},
		[]string{got.audio, got.name, got.header.Get("Authorization"), got.header.Get("Expect")})
	require.Positive(t, got.length, "a file's size is known")

	require.Equal(t, ExitOK, run(t, &c, "transcribe", "--server", url+"/", "-").code)
	got = (*uploads)[1]
	require.Equal(t, []string{"sound of stdin", "stdin", ""}, []string{got.audio, got.name, got.header.Get("Authorization")})
	require.EqualValues(t, -1, got.length, "the standard input is sent as it comes")
	require.Equal(t, map[string][]string{"response_format": {"text"}}, got.fields)
	require.Zero(t, c.opened, "nothing is loaded here")

	require.NoError(t, os.WriteFile(in+"/a.wav", make([]byte, 1<<20), 0o600))
	lines := run(t, &c, "transcribe", "--progress", "--server", url, in+"/a.wav")
	require.Contains(t, lines.err, " % sent\n1/1 "+in+"/a.wav: done\n")
	require.NotContains(t, lines.err, "ETA", "what was sent says nothing of the time left")
}

func TestWhereTheKeyComesFrom(t *testing.T) {
	t.Parallel()
	url, uploads := answering(t, http.StatusOK, nil, "{}")
	dir := t.TempDir()
	file := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	one, empty, odd := file("one", "from-file\n"), file("empty", " \n"), file("odd", "a\nb")
	for _, c := range []struct {
		key, keyFile, args, want, err string
	}{
		{"env", "", "", "Bearer env", ""},
		{"", one, "", "Bearer from-file", ""},
		{"env", one, "--api-key flag", "Bearer flag", ""},
		{"env", "", "--api-key-file " + one, "Bearer from-file", ""},
		{"", "", "", "", ""},
		{"", "", "--api-key-file " + empty, "", "grym-synth: the API key: " + empty + " is empty\n"},
		{"", dir + "/none", "", "", "grym-synth: the API key: open " + dir + "/none: no such file or directory\n"},
		{"", odd, "", "", "grym-synth: the API key must be printable ASCII without spaces\n"},
		{"", "", "--api-key k --api-key-file " + one, "", "grym-synth: --api-key and --api-key-file cannot be combined\n"},
	} {
		*uploads = nil
		program := (&called{}).program("")
		program.APIKey, program.APIKeyFile = c.key, c.keyFile
		got := runWith(t.Context(), nil, nil, program, append([]string{"healthcheck", "--server", url}, strings.Fields(c.args)...)...)
		if c.err != "" {
			require.True(t, strings.HasPrefix(got.err, c.err), "%+v: %s", c, got.err)
			require.Empty(t, *uploads)
			continue
		}
		require.Equal(t, result{}, got)
		require.Equal(t, []string{"/base/readyz", c.want}, []string{(*uploads)[0].name, (*uploads)[0].header.Get("Authorization")}, c)
	}
}

func TestWhatAServerRefusesIsWorded(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav")
	for _, c := range []struct {
		status int
		header map[string]string
		body   string
		want   string
	}{
		{415, nil, `{"error":{"message":"file is text","request_id":"r1"}}`, "the server answered 415: file is text (request r1)"},
		{503, nil, `{"title":"Unavailable","detail":"it drains","request_id":"r2"}`, "the server answered 503: it drains (request r2)"},
		{400, nil, `{"error":{"message":"no"}}`, "the server answered 400: no"},
		{502, nil, "<html>", "the server answered 502 Bad Gateway"},
		{302, map[string]string{"Location": "http://elsewhere/"}, "", "the server redirects to http://elsewhere/; use that URL with --server"},
		{307, map[string]string{"Location": "http://elsewhere/"}, "", "the server redirects to http://elsewhere/; use that URL with --server"},
	} {
		url, uploads := answering(t, c.status, c.header, c.body)
		got := run(t, &called{}, "transcribe", "--server", url, in+"/a.wav")
		require.Equal(t, result{ExitFailure, "", "grym-synth: " + in + "/a.wav: " + c.want + "\n"}, got)
		require.Len(t, *uploads, 1)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	got := run(t, &called{}, "transcribe", "--server", gone.URL, in+"/a.wav")
	require.Regexp(t, "^grym-synth: \\S+/a.wav: "+gone.URL+" is not reachable: dial tcp .*connection refused\n$", got.err)
}

func TestHealthcheckHasTheReasons(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"reasons":["wav2vec2 is starting","b"]}`: "not ready: wav2vec2 is starting; b",
		`{}`: "not ready: 503 Service Unavailable",
	} {
		url, _ := answering(t, http.StatusServiceUnavailable, nil, body)
		require.Equal(t, result{ExitFailure, "", "grym-synth: " + want + "\n"}, run(t, &called{}, "healthcheck", "--server", url))
	}
	// The listen address of called is invalid.
	want := result{ExitFailure, "", "grym-synth: api.listen: address nonsense: missing port in address\n"}
	require.Equal(t, want, run(t, &called{}, "healthcheck"))
	for listen, host := range map[string]string{
		":1": "127.0.0.1:1", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "example.org:1": "example.org:1", "[::1]:1": "[::1]:1",
	} {
		s, err := localServer(listen)
		require.NoError(t, err)
		require.Equal(t, host, s.base.Host)
	}
}
