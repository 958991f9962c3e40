package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Names of the cases' scopes and refusals.
var (
	use, admin = []access.Scope{access.ScopeUse}, []access.Scope{access.ScopeAdmin}
)

const page, needsKey = "forbidden_origin", "key_needed"

// localCases has the cases of TestRequestsThatOnlySeemLocal.
var localCases = map[string]struct {
	listen  string
	scopes  []access.Scope
	headers []string
	proto   int // of HTTP/1
	slug    string
}{
	"a plain request":                     {"127.0.0.1:1", use, nil, 1, ""},
	"localhost":                           {"127.0.0.1:1", use, []string{"Host", "localhost:8080"}, 1, ""},
	"loopback over IPv6":                  {"[::1]:1", use, []string{"Host", "[::1]"}, 1, ""},
	"a foreign host":                      {"127.0.0.1:1", use, []string{"Host", "evil.example"}, 1, page},
	"a foreign host, no key is needed":    {"127.0.0.1:1", nil, []string{"Host", "evil.example"}, 1, page},
	"a foreign host on all addresses":     {"0.0.0.0:1", use, []string{"Host", "evil.example"}, 1, ""},
	"the server's name":                   {"127.0.0.1:1", use, []string{"Host", "audio.example"}, 1, ""},
	"a page of this machine":              {"127.0.0.1:1", use, []string{"Origin", "http://localhost:3000"}, 1, ""},
	"a page of another site":              {"127.0.0.1:1", use, []string{"Origin", "https://evil.example"}, 1, page},
	"a page of another site, no key":      {"127.0.0.1:1", nil, []string{"Origin", "https://evil.example"}, 1, page},
	"a page of another site, all":         {"0.0.0.0:1", use, []string{"Origin", "https://evil.example"}, 1, ""},
	"a page of the server":                {"127.0.0.1:1", use, []string{"Origin", "https://audio.example"}, 1, ""},
	"a page of a listed origin":           {"127.0.0.1:1", use, []string{"Origin", "https://app.example"}, 1, ""},
	"an origin that is none":              {"127.0.0.1:1", use, []string{"Origin", "http://%zz"}, 1, page},
	"a page of another port manages":      {"127.0.0.1:1", admin, []string{"Origin", "http://127.0.0.1:3000"}, 1, page},
	"the console manages":                 {"127.0.0.1:1", admin, []string{"Origin", "http://127.0.0.1:8080"}, 1, ""},
	"the console by another case manages": {"127.0.0.1:1", admin, []string{"Host", "LocalHost:1", "Origin", "http://localhost:1"}, 1, ""},
	"a page of the server manages":        {"127.0.0.1:1", admin, []string{"Origin", "https://audio.example"}, 1, ""},
	"a listed origin manages":             {"127.0.0.1:1", admin, []string{"Origin", "https://app.example"}, 1, page},
	"a page of another port, use or admin": {"127.0.0.1:1", []access.Scope{access.ScopeUse, access.ScopeAdmin},
		[]string{"Origin", "http://127.0.0.1:3000"}, 1, ""},
	"an image of another site":         {"127.0.0.1:1", use, []string{"Referer", "https://evil.example/x"}, 1, page},
	"an image of another site, no key": {"127.0.0.1:1", nil, []string{"Referer", "https://evil.example/x"}, 1, ""},
	"an image of another site, all":    {"0.0.0.0:1", use, []string{"Referer", "https://evil.example/x"}, 1, ""},
	"an image of this machine":         {"127.0.0.1:1", use, []string{"Referer", "http://localhost/x"}, 1, ""},
	"an image of this machine, said to be of another site": {"127.0.0.1:1", use,
		[]string{"Referer", "http://localhost/x", "Sec-Fetch-Site", "cross-site"}, 1, ""},
	"a referer that is none":       {"127.0.0.1:1", use, []string{"Referer", "http://%zz"}, 1, page},
	"a referer beside an origin":   {"127.0.0.1:1", use, []string{"Referer", "https://evil.example", "Origin", "http://localhost"}, 1, ""},
	"a fetch of another site":      {"127.0.0.1:1", use, []string{"Sec-Fetch-Site", "Cross-Site"}, 1, page},
	"a fetch of the same site":     {"127.0.0.1:1", use, []string{"Sec-Fetch-Site", "same-site"}, 1, ""},
	"HTTP/1.0":                     {"127.0.0.1:1", use, nil, 0, needsKey},
	"HTTP/1.0, no key":             {"127.0.0.1:1", nil, nil, 0, ""},
	"HTTP/1.0 on all addresses":    {"0.0.0.0:1", use, nil, 0, ""},
	"a proxy":                      {"127.0.0.1:1", use, []string{"Via", "1.1 x"}, 1, needsKey},
	"a proxy, no key":              {"127.0.0.1:1", nil, []string{"Via", "1.1 x"}, 1, ""},
	"a proxy on all addresses":     {"0.0.0.0:1", use, []string{"Forwarded", "for=1.2.3.4"}, 1, needsKey},
	"a proxy by an odd header":     {"127.0.0.1:1", use, []string{"X-Forwarded-Odd", ""}, 1, needsKey},
	"a proxy by Envoy's headers":   {"127.0.0.1:1", use, []string{"X-Envoy-Odd", ""}, 1, needsKey},
	"a header that is no proxy's":  {"127.0.0.1:1", use, []string{"X-Forward", "1"}, 1, ""},
	"a listen address without one": {"nonsense", use, []string{"Host", "evil.example"}, 1, ""},
}

// TestRequestsThatOnlySeemLocal has each sign of a page or a proxy by itself.
func TestRequestsThatOnlySeemLocal(t *testing.T) {
	t.Parallel()
	for name, c := range localCases {
		h := smallHandlers(t, func(cfg *Config, _ *Dependencies) {
			cfg.Listen, cfg.Hosts, cfg.CORS.Origins = c.listen, []string{"audio.example"}, []string{"https://app.example"}
		})
		r := ask(t, http.MethodGet, "/v1/use", c.headers...)
		r.ProtoMajor, r.ProtoMinor = 1, c.proto
		err := h.suspect(r, c.scopes)
		if c.slug == "" {
			require.NoError(t, err, name)
			continue
		}
		var refused *problem.HTTPError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.slug, refused.Slug, name)
		require.Equal(t, http.StatusForbidden, refused.Status, name)
	}
	for _, header := range forwarding {
		require.Equal(t, header, forwardingHeader(http.Header{header: nil}))
	}
	require.Empty(t, forwardingHeader(http.Header{"Accept": {"x"}}))
	for host, want := range map[string]string{"a:1": "a", "a": "a", "[::1]:2": "::1", "[::1]": "::1", "::1": "::1", "": ""} {
		require.Equal(t, want, hostname(host))
	}
}

func TestManagementIsForTheUsersOfThisMachine(t *testing.T) {
	t.Parallel()
	require.NoError(t, suspectUser(ask(t, http.MethodGet, "/")), "not from a connection")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	from := func(local net.Addr, remote string) *http.Request {
		r := ask(t, http.MethodGet, "/")
		r.RemoteAddr = remote
		return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
	}
	require.NoError(t, suspectUser(from(accepted.LocalAddr(), accepted.RemoteAddr().String())), "this process")
	for _, c := range []struct {
		local  net.Addr
		remote string
		says   string
	}{
		{&net.UnixAddr{Name: "/tmp/x"}, "127.0.0.1:2", "cannot be read"},
		{accepted.LocalAddr(), "somewhere", "cannot be read"},
		{accepted.LocalAddr(), "127.0.0.1:1", "no process on this machine holds the other end"},
	} {
		err := suspectUser(from(c.local, c.remote))
		if runtime.GOOS != "linux" && err == nil {
			continue // the system does not report who holds a connection
		}
		require.ErrorContains(t, err, c.says, c.remote)
	}
}

// manyKeys knows keys by their scopes, one whose time is over, and a store that is broken.
type manyKeys struct{}

var errBroken = errors.New("the disk is gone")

// Check implements Keys.
func (manyKeys) Check(text string) (access.Key, error) {
	switch text {
	case "use", "read", "admin":
		return access.Key{ID: text, Scopes: []access.Scope{access.Scope(text)}}, nil
	case "none":
		return access.Key{ID: text}, nil
	case "old":
		return access.Key{}, fmt.Errorf("key old: %w", access.ErrExpiredKey)
	case "broken":
		return access.Key{}, errBroken
	}
	return access.Key{}, access.ErrUnknownKey
}

// slugOf returns the code of a refusal; empty for none.
func slugOf(err error) string {
	var refused *problem.HTTPError
	if errors.As(err, &refused) {
		return refused.Slug
	}
	if err != nil {
		return string(services.KindOf(err))
	}
	return ""
}

// keyCases has the cases of TestAKeyLetsIn.
var keyCases = map[string]struct {
	keys, presented Keys
	open            bool
	method, path    string
	headers         []string
	id              string
	slug            string
}{
	"no key where one is needed": {manyKeys{}, nil, false, "GET", "/v1/use", nil, "", "invalid_api_key"},
	"another scheme": {manyKeys{}, nil, false, "GET", "/v1/use",
		[]string{"Authorization", "Basic use"}, "", "invalid_api_key"},
	"a key": {manyKeys{}, nil, false, "GET", "/v1/use", []string{"Authorization", "bearer  use "}, "use", ""},
	"an unknown key": {manyKeys{}, nil, false, "GET", "/v1/use",
		[]string{"Authorization", "Bearer x"}, "", "invalid_api_key"},
	"an old key": {manyKeys{}, nil, false, "GET", "/v1/use",
		[]string{"Authorization", "Bearer old"}, "", "invalid_api_key"},
	"a broken store": {manyKeys{}, nil, false, "GET", "/v1/use", []string{"Authorization", "Bearer broken"}, "", "internal"},
	"another scope": {manyKeys{}, nil, false, "GET", "/v1/use",
		[]string{"Authorization", "Bearer read"}, "", "insufficient_scope"},
	"one of two scopes":         {manyKeys{}, nil, false, "GET", "/v1/either", []string{"Authorization", "Bearer read"}, "read", ""},
	"an admin":                  {manyKeys{}, nil, false, "GET", "/v1/use", []string{"Authorization", "Bearer admin"}, "admin", ""},
	"a probe needs none":        {manyKeys{}, nil, false, "GET", "/livez", nil, "", ""},
	"a probe of a foreign page": {manyKeys{}, nil, false, "GET", "/livez", []string{"Host", "evil.example"}, "", "forbidden_origin"},
	"that page with a key": {manyKeys{}, nil, false, "GET", "/livez",
		[]string{"Host", "evil.example", "Authorization", "Bearer none"}, "none", ""},
	"that page with an unknown key": {manyKeys{}, nil, false, "GET", "/livez",
		[]string{"Host", "evil.example", "Authorization", "Bearer x"}, "", "forbidden_origin"},
	"that page, a broken store": {manyKeys{}, nil, false, "GET", "/livez",
		[]string{"Host", "evil.example", "Authorization", "Bearer broken"}, "", "internal"},
	"metrics need one":          {manyKeys{}, nil, false, "GET", "/metrics", nil, "", "invalid_api_key"},
	"metrics are open":          {manyKeys{}, nil, true, "GET", "/metrics", nil, "", ""},
	"open metrics open no more": {manyKeys{}, nil, true, "GET", "/v1/use", nil, "", "invalid_api_key"},
	"no keys at all":            {nil, nil, false, "GET", "/v1/use", []string{"Authorization", "Bearer x"}, "", ""},
	"a proxy": {nil, nil, false, "GET", "/v1/use",
		[]string{"Via", "x", "Authorization", "Bearer use"}, "", "key_needed"},
	"a proxy with a key": {nil, manyKeys{}, false, "GET", "/v1/use",
		[]string{"Via", "x", "Authorization", "Bearer use"}, "use", ""},
	"a proxy with a key too weak": {nil, manyKeys{}, false, "GET", "/v1/use",
		[]string{"Via", "x", "Authorization", "Bearer read"}, "", "insufficient_scope"},
	"a proxy with an unknown key": {nil, manyKeys{}, false, "GET", "/v1/use",
		[]string{"Via", "x", "Authorization", "Bearer x"}, "", "key_needed"},
	"a proxy without a key":    {nil, manyKeys{}, false, "GET", "/v1/use", []string{"Via", "x"}, "", "key_needed"},
	"a key that is not needed": {nil, manyKeys{}, false, "GET", "/v1/use", []string{"Authorization", "Bearer use"}, "", ""},
}

func TestAKeyLetsIn(t *testing.T) {
	t.Parallel()
	for name, c := range keyCases {
		h := smallHandlers(t, func(_ *Config, d *Dependencies) { d.Keys, d.Presented, d.OpenMetrics = c.keys, c.presented, c.open })
		key, err := h.identify(ask(t, c.method, c.path, c.headers...))
		require.Equal(t, c.slug, slugOf(err), "%s: %v", name, err)
		if c.id == "" {
			require.Nil(t, key, name)
		} else {
			require.Equal(t, c.id, key.ID, name)
		}
		called := false
		w := httptest.NewRecorder()
		h.admit(writer())(http.HandlerFunc(
			func(http.ResponseWriter, *http.Request) { called = true })).ServeHTTP(w, ask(t, c.method, c.path, c.headers...))
		require.Equal(t, c.slug == "", called, name)
		require.Equal(t, c.slug == "invalid_api_key", w.Header().Get("WWW-Authenticate") != "", name)
	}
	_, err := smallHandlers(t, func(_ *Config, d *Dependencies) { d.Keys = manyKeys{} }).identify(
		ask(t, "GET", "/v1/either", "Authorization", "Bearer none"))
	require.ErrorContains(t, err, "this route requires use or read")
}

func TestWhoACallerIs(t *testing.T) {
	t.Parallel()
	caller := func(keys Keys, listen string, key *access.Key) services.Caller {
		h := smallHandlers(t, func(c *Config, d *Dependencies) { c.Listen, d.Keys = listen, keys })
		return h.callerOf(key)
	}
	const local, all = "127.0.0.1:1", "0.0.0.0:1"
	require.Equal(t, services.Caller{All: true, Admin: true}, caller(nil, local, nil))
	require.Equal(t, services.Caller{All: true}, caller(nil, all, nil))
	require.Equal(t, services.Caller{}, caller(manyKeys{}, local, nil))
	require.Equal(t, services.Caller{Key: "a"}, caller(manyKeys{}, local, &access.Key{ID: "a", Scopes: []access.Scope{access.ScopeUse}}))
	require.Equal(t, services.Caller{Key: "b", All: true, Admin: true},
		caller(manyKeys{}, local, &access.Key{ID: "b", Scopes: []access.Scope{access.ScopeAdmin}}))
}

func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	serve := func(origins []string, r *http.Request) (*httptest.ResponseRecorder, bool) {
		h := smallHandlers(t, func(c *Config, _ *Dependencies) { c.CORS.Origins = origins })
		w, passed := httptest.NewRecorder(), false
		h.cors(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(w, r)
		return w, passed
	}
	const app, all = "https://app.example", "*"
	preflight := []string{"Origin", app, "Access-Control-Request-Method", "PUT"}
	for name, c := range map[string]struct {
		origins []string
		method  string
		headers []string
		allowed string
		vary    string
		passed  bool
	}{
		"no list":                       {nil, "OPTIONS", preflight, "", "", true},
		"no origin":                     {[]string{app}, "GET", nil, "", "Origin", true},
		"another origin":                {[]string{app}, "GET", []string{"Origin", "https://evil.example"}, "", "Origin", true},
		"a listed origin":               {[]string{app}, "GET", []string{"Origin", app}, app, "Origin", true},
		"any origin":                    {[]string{all}, "GET", []string{"Origin", app}, all, "Origin", true},
		"a star is no origin":           {[]string{app}, "GET", []string{"Origin", all}, "", "Origin", true},
		"a preflight request":           {[]string{app}, "OPTIONS", preflight, app, "Origin", false},
		"a preflight request to any":    {[]string{all}, "OPTIONS", preflight, all, "Origin", false},
		"a preflight of another origin": {[]string{"https://b.example"}, "OPTIONS", preflight, "", "Origin", true},
		"options, no preflight":         {[]string{app}, "OPTIONS", []string{"Origin", app}, app, "Origin", true},
		"a method, no preflight":        {[]string{app}, "PUT", preflight, app, "Origin", true},
	} {
		w, passed := serve(c.origins, ask(t, c.method, "/v1/use", c.headers...))
		require.Equal(t, c.allowed, w.Header().Get("Access-Control-Allow-Origin"), name)
		require.Equal(t, c.vary, w.Header().Get("Vary"), name)
		require.Equal(t, c.passed, passed, name)
		require.Equal(t, c.passed && c.allowed != "", w.Header().Get("Access-Control-Expose-Headers") == exposed, name)
		require.Equal(t, !c.passed, w.Code == http.StatusNoContent, name)
		for _, header := range []string{"Methods", "Headers", "Private-Network"} {
			if header != "Methods" || c.passed {
				require.Empty(t, w.Header().Get("Access-Control-Allow-"+header), name)
			}
		}
	}
	w, _ := serve([]string{app}, ask(t, "OPTIONS", "/", append(preflight, "Access-Control-Request-Headers", "a,b",
		"Access-Control-Request-Private-Network", "true")...))
	require.Equal(t, "a,b", w.Header().Get("Access-Control-Allow-Headers"))
	require.Equal(t, "true", w.Header().Get("Access-Control-Allow-Private-Network"))
	require.Equal(t, "GET, HEAD, POST, PUT, PATCH, DELETE", w.Header().Get("Access-Control-Allow-Methods"))
	require.Equal(t, "7200", w.Header().Get("Access-Control-Max-Age"))
	require.Equal(t, []string{"Origin", "Access-Control-Request-Headers"}, w.Header().Values("Vary"))
}
