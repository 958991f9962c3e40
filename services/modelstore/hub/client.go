package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
)

// maxAnswer is the maximum size of the hub's description of a model.
const maxAnswer = 32 << 20

// Client asks a hub. Safe for concurrent use.
type Client struct {
	settings Settings
	http     *http.Client
	// pause waits between attempts. Tests replace it.
	pause func(ctx context.Context, d time.Duration) error
}

// NewClient returns a client of the hub.
func NewClient(settings Settings) *Client {
	if settings.Idle <= 0 {
		settings.Idle = defaultIdle
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	transport.ResponseHeaderTimeout = settings.Idle
	// Files are compared with their hashes and resumed by their lengths.
	transport.DisableCompression = true
	return &Client{settings: settings, http: &http.Client{Transport: transport, CheckRedirect: withoutToken}, pause: sleep}
}

// maxRedirects is how many redirections are followed.
const maxRedirects = 10

// withoutToken removes the token from a request to another host than the hub's: net/http
// leaves it in requests to subdomains and to other ports, and stores of files refuse
// requests with two kinds of authorization.
func withoutToken(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("the hub redirects too often")
	}
	if request.URL.Host != via[0].URL.Host {
		request.Header.Del("Authorization")
	}
	return nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Snapshot is one commit of a repository.
type Snapshot struct {
	Repo string
	// Requested is the branch, tag or commit asked for; Commit is what it stands for.
	Requested, Commit string
	// License is the identifier in the model's card; empty if it has none.
	License string
	Files   []File
}

// File is one file of a snapshot.
type File struct {
	// Path is relative to the repository, with slashes.
	Path string
	Size int64
	// SHA256 is the hash of a large file, Blob the Git object id of any other; in
	// hexadecimal.
	SHA256, Blob string
}

var (
	repoName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`)
	commitName   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// answer is the hub's description of a repository at one revision.
type answer struct {
	Commit   string `json:"sha"`
	CardData struct {
		License any `json:"license"`
	} `json:"cardData"`
	Files []struct {
		Path string `json:"rfilename"`
		Size *int64 `json:"size"`
		Blob string `json:"blobId"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// Snapshot returns the files of a repository, such as "owner/name", at a branch, tag or
// commit. Hidden files are left out.
func (c *Client) Snapshot(ctx context.Context, repo, revision string) (Snapshot, error) {
	if !repoName.MatchString(repo) {
		return Snapshot{}, services.Invalidf("source", "must be owner/name, got %.200q", repo)
	}
	if !revisionName.MatchString(revision) || strings.Contains(revision, "..") {
		return Snapshot{}, services.Invalidf("revision", "must be a branch, a tag or a commit, got %.200q", revision)
	}
	var found answer
	address := c.settings.Endpoint + "/api/models/" + repo + "/revision/" + url.PathEscape(revision) + "?blobs=true"
	err := c.persist(ctx, func(ctx context.Context) (bool, error) { return false, c.ask(ctx, address, repo, revision, &found) })
	if err != nil {
		return Snapshot{}, err
	}
	return found.snapshot(repo, revision)
}

// ask decodes the JSON at an address.
func (c *Client) ask(ctx context.Context, address, repo, revision string, into any) error {
	response, stop, err := c.get(ctx, address, 0)
	if err != nil {
		return err
	}
	defer stop()
	if response.StatusCode != http.StatusOK {
		return c.refusal(response, repo, revision, "")
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return broken(err)
	}
	if err := limits.Decode(data, into, limits.Index); err != nil {
		return services.Faultf(services.KindUnavailable, "%s does not answer as a model hub: %v", c.settings.Endpoint, err)
	}
	return nil
}

// snapshot checks the answer of a hub, which is not trusted.
func (a answer) snapshot(repo, revision string) (Snapshot, error) {
	s := Snapshot{Repo: repo, Requested: revision, Commit: a.Commit}
	s.License, _ = a.CardData.License.(string)
	if !commitName.MatchString(a.Commit) {
		return Snapshot{}, services.Faultf(services.KindUnavailable, "the hub names no commit of %s", repo)
	}
	for _, listed := range a.Files {
		file := File{Path: listed.Path, Blob: listed.Blob}
		if listed.Size != nil {
			file.Size = *listed.Size
		}
		if listed.LFS != nil {
			file.SHA256, file.Blob, file.Size = listed.LFS.SHA256, "", listed.LFS.Size
		}
		if isHidden(file.Path) && filepath.IsLocal(file.Path) {
			continue
		}
		if err := file.check(); err != nil {
			return Snapshot{}, services.Faultf(services.KindUnavailable,
				"the hub lists a file of %s that cannot be stored: %.200q: %v", repo, file.Path, err)
		}
		s.Files = append(s.Files, file)
	}
	return s, nil
}

// isHidden reports whether a file or one of its folders begins with a dot.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }

// check returns an error for a file that could leave the folder or cannot be verified.
func (f File) check() error {
	switch {
	case !filepath.IsLocal(f.Path) || path.Clean(f.Path) != f.Path || strings.ContainsAny(f.Path, "\\\x00") || len(f.Path) > 512:
		return errors.New("its name is not a relative path")
	case f.Path == ManifestFile:
		return errors.New("its name is reserved")
	case f.Size < 0:
		return errors.New("its size is negative")
	case f.SHA256 == "" && f.Blob == "":
		return errors.New("it has no hash")
	case f.SHA256 != "" && !isHex(f.SHA256, 32), f.Blob != "" && !isHex(f.Blob, 20):
		return errors.New("its hash has the wrong length")
	}
	return nil
}

func isHex(text string, bytes int) bool {
	decoded, err := hex.DecodeString(text)
	return err == nil && len(decoded) == bytes
}

// get begins a request for the bytes of an address from an offset. The body fails once it
// has received nothing for the idle time; stop ends the request.
func (c *Client) get(ctx context.Context, address string, from int64) (*http.Response, func(), error) {
	if c.settings.Offline {
		return nil, nil, services.Faultf(services.KindUnavailable, "HF_HUB_OFFLINE is set, so that nothing is downloaded")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	request.Header.Set("User-Agent", "grym-synth")
	if c.settings.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.settings.Token)
	}
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	response, err := c.http.Do(request)
	if err != nil {
		cancel(nil)
		return nil, nil, broken(err)
	}
	body := &idleBody{body: response.Body, idle: c.settings.Idle}
	body.timer = time.AfterFunc(c.settings.Idle, func() { cancel(errIdle) })
	response.Body = body
	return response, func() {
		body.timer.Stop()
		_ = body.Close() // it was only read
		cancel(nil)
	}, nil
}

var errIdle = errors.New("nothing was received for too long")

// idleBody is the body of an answer that postpones the end of its request while it
// receives something.
type idleBody struct {
	body  io.ReadCloser
	timer *time.Timer
	idle  time.Duration
}

// Read implements io.Reader.
func (b *idleBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.timer.Reset(b.idle)
	}
	return n, err
}

// Close implements io.Closer.
func (b *idleBody) Close() error { return b.body.Close() }

// transient is an error after which the same request may succeed.
type transient struct {
	error
	after time.Duration
}

// Unwrap returns the error itself.
func (t *transient) Unwrap() error { return t.error }

// broken returns the error of a connection that failed.
func broken(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &transient{error: &services.Fault{Kind: services.KindUnavailable, Message: "the model hub cannot be reached", Err: err}}
}

// Attempts in a row without a byte, and the time between them.
const (
	maxAttempts = 5
	firstPause  = time.Second
	maxPause    = 30 * time.Second
)

// persist repeats an attempt while it fails with a transient error. One that made progress
// is the first of a new row.
func (c *Client) persist(ctx context.Context, attempt func(ctx context.Context) (progress bool, err error)) error {
	for failed := 0; ; {
		progress, err := attempt(ctx)
		var again *transient
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &again):
			return err
		}
		if progress {
			failed = 0
		}
		if failed++; failed >= maxAttempts {
			return again.error
		}
		if err := c.pause(ctx, max(again.after, min(firstPause<<(failed-1), maxPause))); err != nil {
			return err
		}
	}
}

// retryAfter returns the seconds that a refusal asks for.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 10*maxPause)
}
