package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
)

// Keys checks API keys; access.Store implements it.
type Keys interface {
	Check(text string) (access.Key, error)
}

const (
	// lifetime of a session.
	lifetime = 12 * time.Hour
	// maxSessions limits their number; beyond it the oldest ends.
	maxSessions = 1000
	// cookiePrefix is followed by the port: browsers share cookies among the ports of a host.
	cookiePrefix = "grym_session"
	// csrfHeader has the token of the session in requests that change something.
	csrfHeader = "X-Csrf-Token"
)

// Sessions are the users that have signed in to the console with an API key. A session
// holds the key in memory only, and ends with the process. Safe for concurrent use.
type Sessions struct {
	keys Keys

	mu sync.Mutex
	// byHash has the sessions by the hash of their cookie.
	byHash map[[sha256.Size]byte]session
}

// session is one user.
type session struct {
	// id is that of the key.
	key, id, csrf string
	began         time.Time
}

// NewSessions returns no sessions yet. If keys is nil, no key is required and nobody signs
// in.
func NewSessions(keys Keys) *Sessions {
	return &Sessions{keys: keys, byHash: make(map[[sha256.Size]byte]session)}
}

// Key returns the API key of the session to which a request belongs, or "" if it has none.
// It fails if another page could have caused the request.
func (s *Sessions) Key(r *http.Request) (string, error) {
	found, ok := s.find(r)
	if !ok {
		return "", nil
	}
	if err := checkOrigin(r); err != nil {
		return "", err
	}
	if !isSafe(r) && subtle.ConstantTimeCompare([]byte(r.Header.Get(csrfHeader)), []byte(found.csrf)) != 1 {
		return "", forbidden("csrf_token", "a request of the console that changes something needs the session's token in the header "+csrfHeader)
	}
	return found.key, nil
}

// find returns the session of a request's cookie.
func (s *Sessions) find(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return session{}, false
	}
	hash := sha256.Sum256([]byte(cookie.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byHash[hash]
	if ok && time.Since(found.began) >= lifetime {
		delete(s.byHash, hash)
		return session{}, false
	}
	return found, ok
}

// KeyID returns the id of the API key of the session to which a request belongs, or "" if
// it has none. It does not say whether the key is still valid, or who caused the request.
func (s *Sessions) KeyID(r *http.Request) string {
	found, _ := s.find(r)
	return found.id
}

// begin starts a session and returns the value of its cookie.
func (s *Sessions) begin(key, id string) (cookie string, _ session) {
	cookie = random()
	one := session{key: key, id: id, csrf: random(), began: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byHash) >= maxSessions {
		s.endOldest()
	}
	s.byHash[sha256.Sum256([]byte(cookie))] = one
	return cookie, one
}

// endOldest ends the oldest session. The caller holds mu.
func (s *Sessions) endOldest() {
	var oldest [sha256.Size]byte
	var began time.Time
	for hash, one := range s.byHash {
		if began.IsZero() || one.began.Before(began) {
			oldest, began = hash, one.began
		}
	}
	delete(s.byHash, oldest)
}

// end ends the session of a request.
func (s *Sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.byHash, sha256.Sum256([]byte(cookie.Value)))
	}
}

func random() string {
	var bytes [32]byte
	_, _ = rand.Read(bytes[:]) // never fails, by its documentation
	return hex.EncodeToString(bytes[:])
}

// cookieName returns the name of the cookie for the port in a request's Host header.
func cookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return cookiePrefix + "_" + port
	}
	return cookiePrefix
}

// newCookie returns the cookie of a session, or one that removes it for the value "".
func newCookie(r *http.Request, value string, secure bool) *http.Cookie {
	cookie := &http.Cookie{Name: cookieName(r), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure}
	if value == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

func isSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// checkOrigin refuses requests that a page of another origin caused. SameSite excludes
// other sites only; another port of the same host is another origin of the same site.
func checkOrigin(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return forbidden("forbidden_origin", "pages of "+origin+" may not use the session of the console")
		}
	}
	// A browser sends "none" when the user enters an address.
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case site == "", site == "same-origin", site == "none" && isSafe(r):
		return nil
	}
	return forbidden("forbidden_origin", "pages of other origins may not use the session of the console")
}

func forbidden(slug, message string) error {
	return &problem.HTTPError{Status: http.StatusForbidden, Slug: slug, Title: "Forbidden", Message: message}
}
