// Package hubtest is a model hub for tests, with faults on demand.
package hubtest

import (
	"crypto/sha1" //nolint:gosec // the object ids of Git
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Repo is a repository of the hub.
type Repo struct {
	Commit string
	// Files by their names; those in Large are stored as large files.
	Files map[string][]byte
	Large map[string]bool
	// Huge files are made while they are sent. They are stored as large files.
	Huge map[string]Huge
	// Gated repositories are closed to requests without Token.
	Gated bool
}

// Hub is a hub that serves repositories. Faults are counted per request for the content of
// a file. Change it only between requests.
type Hub struct {
	URL   string
	Repos map[string]*Repo
	Token string
	// Cut ends so many requests for more than 100 bytes after half of them.
	Cut int
	// Wrong changes a byte of so many contents.
	Wrong int
	// Busy answers 503 to so many requests.
	Busy int
	// NoRanges ignores the header Range, Redirects sends clients of large files to another
	// host.
	NoRanges, Redirects bool
	// Before is called before a content is sent; nil for nothing.
	Before func()

	mu sync.Mutex
	// sent counts the bytes of contents by file, and leaked the requests to the other host
	// that had the token.
	sent   map[string]int64
	leaked int
	asked  int
	other  string
}

// New returns a hub that ends with the test.
func New(t testing.TB) *Hub {
	h := &Hub{Repos: make(map[string]*Repo), sent: make(map[string]int64)}
	server, store := httptest.NewServer(h), httptest.NewServer(http.HandlerFunc(h.store))
	t.Cleanup(server.Close)
	t.Cleanup(store.Close)
	h.URL, h.other = server.URL, store.URL
	return h
}

// Sent returns the number of bytes of a file that were sent.
func (h *Hub) Sent(file string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent[file]
}

// Leaked returns the number of requests by which the other host got the token.
func (h *Hub) Leaked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaked
}

// Asked returns the number of requests.
func (h *Hub) Asked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

// Add adds a repository at the given commit, a digit that is repeated.
func (h *Hub) Add(name, commit string, files map[string]string) *Repo {
	repo := &Repo{Commit: strings.Repeat(commit, 40), Files: make(map[string][]byte), Large: make(map[string]bool)}
	for file, content := range files {
		repo.Files[file] = []byte(content)
		repo.Large[file] = strings.Contains(file, ".onnx")
	}
	h.Change(func() { h.Repos[name] = repo })
	return repo
}

// Change calls change between two requests. Tests of another process need it, because
// nothing else orders what they do with its requests.
func (h *Hub) Change(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// ServeHTTP implements http.Handler.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.Busy > 0 {
		h.Busy--
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	path, isAPI := strings.CutPrefix(r.URL.Path, "/api/models/")
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 5)
	if len(parts) < 2 {
		refuse(w, http.StatusNotFound, "RepoNotFound")
		return
	}
	repo := h.Repos[parts[0]+"/"+parts[1]]
	switch {
	case repo == nil:
		refuse(w, http.StatusUnauthorized, "RepoNotFound") // as the public hub answers
	case repo.Gated && (h.Token == "" || r.Header.Get("Authorization") != "Bearer "+h.Token):
		refuse(w, http.StatusForbidden, "GatedRepo")
	case isAPI && (len(parts) == 2 || len(parts) >= 4 && parts[2] == "revision" && repo.at(parts[3])):
		h.describe(w, parts[0]+"/"+parts[1], repo)
	case isAPI && len(parts) >= 4 && parts[2] == "tree" && repo.at(parts[3]):
		h.tree(w, repo)
	case !isAPI && len(parts) == 5 && parts[2] == "resolve" && repo.at(parts[3]):
		h.content(w, r, repo, parts[4])
	default:
		refuse(w, http.StatusNotFound, "RevisionNotFound")
	}
}

// at reports whether a revision is that of the repository.
func (r *Repo) at(revision string) bool { return revision == "main" || revision == r.Commit }

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", code)
	http.Error(w, code, status)
}

func sha(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func blob(content []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...)) //nolint:gosec // the object ids of Git
	return hex.EncodeToString(sum[:])
}

func (h *Hub) describe(w http.ResponseWriter, name string, repo *Repo) {
	files := []map[string]any{}
	for file, content := range repo.Huge {
		lfs := map[string]any{"sha256": content.sum, "size": content.size, "pointerSize": 130}
		files = append(files, map[string]any{"rfilename": file, "size": content.size, "blobId": blob([]byte(content.sum)), "lfs": lfs})
	}
	for file, content := range repo.Files {
		entry := map[string]any{"rfilename": file, "size": len(content), "blobId": blob(content)}
		if repo.Large[file] {
			entry["lfs"] = map[string]any{"sha256": sha(content), "size": len(content), "pointerSize": 130}
		}
		files = append(files, entry)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": name, "modelId": name, "sha": repo.Commit, "private": false, "gated": false, "tags": []string{}, "downloads": 0,
		"likes": 0, "cardData": map[string]any{"license": "apache-2.0"}, "siblings": files,
	})
}

// tree lists the files as the hub does for clients that download a whole repository.
func (h *Hub) tree(w http.ResponseWriter, repo *Repo) {
	files := []map[string]any{}
	for file, content := range repo.Files {
		entry := map[string]any{"type": "file", "path": file, "size": len(content), "oid": blob(content)}
		if repo.Large[file] {
			entry["lfs"] = map[string]any{"oid": sha(content), "size": len(content), "pointerSize": 130}
		}
		files = append(files, entry)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(files)
}

func (h *Hub) content(w http.ResponseWriter, r *http.Request, repo *Repo, file string) {
	if h.Before != nil {
		h.Before()
	}
	if huge, ok := repo.Huge[file]; ok {
		w.Header().Set("ETag", strconv.Quote(huge.sum))
		w.Header().Set("X-Repo-Commit", repo.Commit)
		h.sendHuge(w, r, file, huge)
		return
	}
	content, ok := repo.Files[file]
	if !ok {
		refuse(w, http.StatusNotFound, "EntryNotFound")
		return
	}
	tag := blob(content)
	if repo.Large[file] {
		tag = sha(content)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
		w.Header().Set("X-Linked-Etag", strconv.Quote(tag))
	}
	w.Header().Set("ETag", strconv.Quote(tag))
	w.Header().Set("X-Repo-Commit", repo.Commit)
	if h.Redirects && repo.Large[file] {
		w.Header().Set("Location", h.other+r.URL.Path)
		w.WriteHeader(http.StatusFound)
		return
	}
	h.send(w, r, file, content)
}

// store is the host of large files.
func (h *Hub) store(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		h.leaked++
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 5)
	h.send(w, r, parts[4], h.Repos[parts[0]+"/"+parts[1]].Files[parts[4]])
}

// send answers with a content, or its range, with the faults that are left.
func (h *Hub) send(w http.ResponseWriter, r *http.Request, file string, content []byte) {
	from, status := 0, http.StatusOK
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !h.NoRanges {
		first, _, _ := strings.Cut(spec, "-")
		from, _ = strconv.Atoi(first)
		if from >= len(content) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		status = http.StatusPartialContent
	}
	part := content[from:]
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Content-Length", strconv.Itoa(len(part)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if h.Wrong > 0 && len(part) > 0 {
		h.Wrong--
		part = append([]byte{part[0] ^ 1}, part[1:]...)
	}
	if h.Cut > 0 && len(part) > 100 {
		h.Cut--
		part = part[:len(part)/2]
		h.sent[file] += int64(len(part))
		_, _ = w.Write(part)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	h.sent[file] += int64(len(part))
	_, _ = io.Copy(w, strings.NewReader(string(part)))
}
