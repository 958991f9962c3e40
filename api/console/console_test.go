package console

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// page is a small console.
func page() fstest.MapFS {
	return fstest.MapFS{
		"index.html":          {Data: []byte(`<link rel="stylesheet" href="/console/style.css">` + strings.Repeat("<p>page", 200))},
		"style/2.css":         {Data: []byte(strings.Repeat("a { color: red; }\n", 100))},
		"style/1.css":         {Data: []byte("b { color: blue; }\n")},
		"tiny.js":             {Data: []byte("1")},
		"app/x.worker.js":     {Data: []byte("1")},
		"font.woff2":          {Data: []byte("font")},
		"vendor/licences.txt": {Data: []byte("free")},
		"README.md":           {Data: []byte("not served")},
	}
}

func open(t *testing.T, files fstest.MapFS) *Console {
	t.Helper()
	c, err := New(files)
	require.NoError(t, err)
	return c
}

// ask sends a request; the headers are names and values in turn.
func ask(t *testing.T, c *Console, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	require.True(t, c.Handles(r), path)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if response.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(unzipped)
		require.NoError(t, err)
	}
	return string(data)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	index := ask(t, open(t, page()), http.MethodGet, "/", "Accept", browser)
	require.Equal(t, http.StatusOK, index.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", index.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", index.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-cache", index.Header.Get("Cache-Control"))
	require.Equal(t, "same-origin", index.Header.Get("Cross-Origin-Resource-Policy"))
	require.Equal(t, []string{"Accept", "Accept-Encoding"}, index.Header.Values("Vary"))
	csp := index.Header.Get("Content-Security-Policy")
	require.Contains(t, csp, "default-src 'none'")
	require.Contains(t, csp, "frame-ancestors 'none'")
	for _, weak := range []string{"unsafe", "http:", "https:", " *", "script-src 'self' "} {
		require.NotContains(t, csp, weak)
	}
}

// TestFilesNeverChangeUnderTheirPath checks that the index refers to paths with a hash of
// the content, which are cached for ever.
func TestFilesNeverChangeUnderTheirPath(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	found := regexp.MustCompile(`href="(/console/[0-9a-f]{16}/style\.css)"`)
	style := func(c *Console) string {
		match := found.FindStringSubmatch(text(t, ask(t, c, http.MethodGet, "/", "Accept", browser)))
		require.Len(t, match, 2)
		return match[1]
	}
	answer := ask(t, c, http.MethodGet, style(c))
	require.Equal(t, "text/css; charset=utf-8", answer.Header.Get("Content-Type"))
	require.Contains(t, answer.Header.Get("Cache-Control"), "immutable")
	require.Regexp(t, "^b { color: blue; }\na { color: red; }\n", text(t, answer))

	changed := page()
	changed["tiny.js"] = &fstest.MapFile{Data: []byte("2")}
	require.NotEqual(t, style(c), style(open(t, changed)))
	require.Equal(t, style(c), style(open(t, page())))
}

func TestWhatIsNotForTheConsole(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	base := strings.TrimSuffix(slices.Sorted(maps.Keys(c.bundle.files))[1], "app/x.worker.js")
	for _, one := range [][3]string{
		{http.MethodGet, "/", "application/json"}, {http.MethodGet, "/", "*/*"}, {http.MethodGet, "/", ""},
		{http.MethodGet, "/", "text/html;q=0, application/json"}, {http.MethodPost, "/", browser}, {http.MethodGet, "/v1/jobs", browser},
		{http.MethodGet, "/index.html", browser}, {http.MethodGet, base + "index.html", browser}, {http.MethodGet, base + "README.md", browser},
		{http.MethodGet, base, browser}, {http.MethodGet, base + "../font.woff2", browser}, {http.MethodGet, "/console/0123/font.woff2", browser},
	} {
		r := httptest.NewRequestWithContext(t.Context(), one[0], one[1], http.NoBody)
		r.Header.Set("Accept", one[2])
		require.False(t, c.Handles(r), one)
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	for accepted, zipped := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "": false, "br": false, "gzip;q=0": false, "gzip; q=0.000": false, "deflate, identity": false,
	} {
		answer := ask(t, c, http.MethodGet, "/", "Accept", browser, "Accept-Encoding", accepted)
		require.Equal(t, zipped, answer.Header.Get("Content-Encoding") == "gzip", accepted)
		require.Contains(t, text(t, answer), "<p>page", accepted)
	}
	for path := range c.bundle.files {
		answer := ask(t, c, http.MethodGet, path, "Accept", browser, "Accept-Encoding", "gzip")
		small := strings.HasSuffix(path, ".js") || strings.HasSuffix(path, ".woff2") || strings.HasSuffix(path, ".txt")
		require.Equal(t, !small, answer.Header.Get("Content-Encoding") == "gzip", path)
		require.Equal(t, answer.ContentLength, int64(len(mustRead(t, answer))), path)
	}
}

func mustRead(t *testing.T, response *http.Response) []byte {
	t.Helper()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return data
}

func TestEntityTags(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	plain := ask(t, c, http.MethodGet, "/", "Accept", browser)
	zipped := ask(t, c, http.MethodGet, "/", "Accept", browser, "Accept-Encoding", "gzip")
	tag := plain.Header.Get("Etag")
	require.NotEqual(t, tag, zipped.Header.Get("Etag"), "the bytes differ")
	for _, seen := range []string{tag, "W/" + tag, `"other", ` + tag, "*", zipped.Header.Get("Etag")} {
		answer := ask(t, c, http.MethodGet, "/", "Accept", browser, "If-None-Match", seen, "Accept-Encoding", "gzip")
		require.Equal(t, http.StatusNotModified, answer.StatusCode, seen)
		require.Empty(t, text(t, answer), seen)
		require.Equal(t, zipped.Header.Get("Etag"), answer.Header.Get("Etag"), seen)
		require.NotEmpty(t, answer.Header.Get("Content-Security-Policy"), seen)
	}
	for _, seen := range []string{`"other"`, strings.Trim(tag, `"`), ""} {
		require.Equal(t, http.StatusOK, ask(t, c, http.MethodGet, "/", "Accept", browser, "If-None-Match", seen).StatusCode, seen)
	}
}

// TestWorkersHaveThePolicy checks that scripts with a context of their own have it too.
func TestWorkersHaveThePolicy(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	for path := range c.bundle.files {
		answer := ask(t, c, http.MethodGet, path, "Accept", browser)
		has := answer.Header.Get("Content-Security-Policy") != ""
		require.Equal(t, path == "/" || strings.HasSuffix(path, ".worker.js"), has, path)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	c := open(t, page())
	get, head := ask(t, c, http.MethodGet, "/", "Accept", browser), ask(t, c, http.MethodHead, "/", "Accept", browser)
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Equal(t, get.Header, head.Header)
	require.Empty(t, text(t, head))
}

func TestAConsoleWithoutItsLibraries(t *testing.T) {
	t.Parallel()
	files := page()
	delete(files, library)
	answer := ask(t, open(t, files), http.MethodGet, "/", "Accept", browser)
	require.Equal(t, http.StatusNotImplemented, answer.StatusCode)
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	require.Contains(t, text(t, answer), "The console was built without its libraries")
}

func TestAConsoleWithoutAnIndex(t *testing.T) {
	t.Parallel()
	_, err := New(fstest.MapFS{"app.js": {Data: []byte("1")}})
	require.ErrorContains(t, err, "index.html is missing")
}
