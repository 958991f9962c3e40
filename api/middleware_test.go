package api

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// settingCases has the cases of TestEachSettingHasItsLimits.
var settingCases = []struct {
	change func(*Config)
	says   string
}{
	{func(*Config) {}, ""},
	{func(c *Config) { c.Listen = "" }, "listen: must be host:port"},
	{func(c *Config) { c.Listen = "nonsense" }, "listen: must be host:port"},
	{func(c *Config) { c.Listen = ":0" }, ""},
	{func(c *Config) { c.Hosts = []string{"https://x"} }, "hosts: must be host names"},
	{func(c *Config) { c.Hosts = []string{"x", "y:8443"} }, ""},
	{func(c *Config) { c.TrustedProxies = []string{"x"} }, "trustedProxies: must be addresses"},
	{func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8"} }, ""},
	{func(c *Config) { c.CORS.Origins = []string{"x"} }, "cors.origins: must be origins"},
	{func(c *Config) { c.CORS.Origins = []string{"https://x.example"} }, ""},
	{func(c *Config) { c.AudioURL.Hosts = []string{"https://x"} }, "audioURL.hosts: must be host names"},
	{func(c *Config) { c.AudioURL.Hosts = []string{"x"} }, ""},
	{func(c *Config) { c.MaxUpload = 0 }, "maxUpload: must be above zero"},
	{func(c *Config) { c.MaxUpload = 1 }, ""},
	{func(c *Config) { c.MinUploadRate = 0 }, "minUploadRate: must be above zero"},
	{func(c *Config) { c.MinUploadRate = 1 }, ""},
	{func(c *Config) { c.HeaderTimeout = 0 }, "headerTimeout: must be above zero"},
	{func(c *Config) { c.HeaderTimeout = 1 }, ""},
	{func(c *Config) { c.UploadTimeout = 0 }, "uploadTimeout: must be above zero"},
	{func(c *Config) { c.WriteTimeout = 0 }, "writeTimeout: must be above zero"},
	{func(c *Config) { c.DrainTimeout = 0 }, "drainTimeout: must be above zero"},
	{func(c *Config) { c.AudioURL.Timeout = 0 }, "audioURL.timeout: must be above zero"},
	{func(c *Config) { c.ShutdownDelay = -1 }, "shutdownDelay: must not be negative"},
	{func(c *Config) { c.ShutdownDelay = 0 }, ""},
}

// TestEachSettingHasItsLimits has one bad value at a time, and the best beside it.
func TestEachSettingHasItsLimits(t *testing.T) {
	t.Parallel()
	for _, c := range settingCases {
		cfg := DefaultConfig()
		c.change(&cfg)
		errs := cfg.Validate()
		if c.says == "" {
			require.Empty(t, errs)
			continue
		}
		require.Len(t, errs, 1, c.says)
		require.ErrorContains(t, errs[0], c.says)
	}
	for want, cfg := range map[bool]Config{false: {}, true: {Hosts: []string{"x"}}} {
		require.Equal(t, want, cfg.Proxied())
	}
	require.True(t, Config{TrustedProxies: []string{"::1"}}.Proxied())
	for listen, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true,
		"0.0.0.0:1": false, "127.0.0.1": false, ":1": false} {
		require.Equal(t, want, Config{Listen: listen}.onLoopback(), listen)
	}
	remote, err := AudioURLConfig{}.remote()
	require.NoError(t, err)
	require.Nil(t, remote)
	remote, err = AudioURLConfig{Hosts: []string{"x.example"}, AllowPrivate: true, Timeout: time.Minute}.remote()
	require.NoError(t, err)
	require.True(t, remote.Has("x.example") && remote.AllowPrivate && remote.Timeout == time.Minute)
	_, err = AudioURLConfig{Hosts: []string{"https://x"}}.remote()
	require.ErrorContains(t, err, "hosts of recordings: must be host names")
	for _, change := range []func(*Config, *Dependencies){
		func(c *Config, _ *Dependencies) { c.Hosts = []string{"https://x"} },
		func(c *Config, _ *Dependencies) { c.TrustedProxies = []string{"x"} },
		func(c *Config, _ *Dependencies) { c.AudioURL.Hosts = []string{"https://x"} },
		func(_ *Config, d *Dependencies) { d.Contract = []byte("openapi: [") },
		func(_ *Config, d *Dependencies) {
			d.Contract = []byte("openapi: 3.0.3\npaths: {/x: {get: {operationId: x}}}")
		},
	} {
		cfg, deps := DefaultConfig(), Dependencies{Contract: []byte(smallContract), Log: slog.New(slog.DiscardHandler)}
		change(&cfg, &deps)
		_, err := NewHandler(cfg, deps)
		require.Error(t, err)
	}
}

// fixedViews has one view of the health.
type fixedViews struct {
	manage.Views
	view manage.HealthView
}

// HealthView implements manage.Views.
func (f fixedViews) HealthView() manage.HealthView { return f.view }

func TestProbesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	registry := orchestrator.NewRegistry(slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		view manage.HealthView
		want string
	}{
		"ready":  {manage.HealthView{}, `{"ready":true,"reasons":[]}`},
		"broken": {manage.HealthView{Reasons: []string{"no disk"}}, `{"ready":false,"reasons":["no disk"]}`},
	} {
		h := smallHandlers(t, func(_ *Config, d *Dependencies) { d.Views, d.Services = fixedViews{view: c.view}, registry })
		response, err := h.GetReadiness(t.Context(), gen.GetReadinessRequestObject{})
		require.NoError(t, err)
		w := httptest.NewRecorder()
		require.NoError(t, response.VisitGetReadinessResponse(w))
		require.JSONEq(t, c.want, w.Body.String(), name)
		require.Equal(t, name == "ready", w.Code == http.StatusOK, name)
		_, err = h.GetServiceReadiness(t.Context(), gen.GetServiceReadinessRequestObject{Service: "none"})
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		health, err := h.GetHealth(t.Context(), gen.GetHealthRequestObject{})
		require.NoError(t, err)
		body, ok := health.(gen.GetHealth200JSONResponse)
		require.True(t, ok)
		require.Equal(t, append([]string{}, c.view.Reasons...), body.Reasons)
		require.NotNil(t, body.Services)
	}
	h := smallHandlers(t, func(_ *Config, d *Dependencies) {
		d.Version.Version = "1.2.3"
		d.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "up "+r.URL.Path) })
	})
	version, err := h.GetVersion(t.Context(), gen.GetVersionRequestObject{})
	require.NoError(t, err)
	require.Equal(t, "1.2.3", version.(gen.GetVersion200JSONResponse).Version) //nolint:forcetypeassert // its only kind
	alive, err := h.GetLiveness(t.Context(), gen.GetLivenessRequestObject{})
	require.NoError(t, err)
	require.Equal(t, gen.GetLiveness200TextResponse("ok\n"), alive)
	h.document = []byte(`{"a":1}`)
	document, err := h.GetOpenAPI(t.Context(), gen.GetOpenAPIRequestObject{})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	require.NoError(t, document.VisitGetOpenAPIResponse(w))
	require.Equal(t, `{"a":1}`, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	w = httptest.NewRecorder()
	web.WithExchange(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metrics, err := h.GetMetrics(r.Context(), gen.GetMetricsRequestObject{})
		require.NoError(t, err)
		require.NoError(t, metrics.VisitGetMetricsResponse(w))
	})).ServeHTTP(w, ask(t, "GET", "/metrics"))
	require.Equal(t, "up /metrics", w.Body.String())
}

func TestHealthOfAService(t *testing.T) {
	t.Parallel()
	plain := serviceHealth("a", services.ServiceStatus{State: services.StateReady}, services.ServiceMetrics{}, manage.ServiceView{})
	require.Equal(t, gen.ServiceHealth{Name: "a", State: gen.ServiceHealthState(services.StateReady)}, plain)
	at := time.Unix(1e9, 0)
	full := serviceHealth("a", services.ServiceStatus{Since: at, LastError: "broken", LastSuccess: at},
		services.ServiceMetrics{LatencyP50: 1, LatencyP99: 2 * time.Second},
		manage.ServiceView{BreakerOpen: true, Hold: &gen.BreakerHold{}, Health: &gen.TaskHealth{}})
	require.Equal(t, "broken", *full.LastError)
	require.Equal(t, at, *full.LastSuccess)
	require.Equal(t, at, full.Since)
	require.InDelta(t, 1e-9, *full.LatencyP50Seconds, 0)
	require.InDelta(t, 2, *full.LatencyP99Seconds, 0)
	require.True(t, full.BreakerOpen && full.BreakerHold != nil && full.Health != nil)
}

func TestAddressesOfClientsBehindAProxy(t *testing.T) {
	t.Parallel()
	h := smallHandlers(t, func(c *Config, _ *Dependencies) { c.TrustedProxies = []string{"10.0.0.1"} })
	for name, c := range map[string]struct {
		remote, proto, host string
		address, asked      string
		secure              bool
		attrs               string
	}{
		"trusted": {"10.0.0.1:5", "https", "audio.example", "1.2.3.4", "audio.example", true,
			"[proxy=10.0.0.1 scheme=https host=audio.example]"},
		"trusted, less said": {"10.0.0.1:5", "", "", "1.2.3.4", "127.0.0.1:8080", false, "[proxy=10.0.0.1]"},
		"trusted, plain":     {"10.0.0.1:5", "http", "", "1.2.3.4", "127.0.0.1:8080", false, "[proxy=10.0.0.1 scheme=http]"},
		"not trusted":        {"10.0.0.2:5", "https", "audio.example", "10.0.0.2:5", "127.0.0.1:8080", false, "[]"},
	} {
		r := ask(t, "GET", "/", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", c.proto, "X-Forwarded-Host", c.host)
		r.RemoteAddr = c.remote
		h.findClient(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.Equal(t, c.address, r.RemoteAddr, name)
			require.Equal(t, c.asked, r.Host, name)
			require.Equal(t, c.secure, isSecure(r), name)
			require.Equal(t, c.attrs, fmt.Sprint(forwardedAttrs(r.Context())), name)
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
	direct := ask(t, "GET", "/")
	direct.TLS = &tls.ConnectionState{}
	require.True(t, isSecure(direct))
}

func TestRequestsAreLoggedAndTraced(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tracer := &notes{}
	h := smallHandlers(t, func(_ *Config, d *Dependencies) {
		d.Tracer, d.Log = tracer, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	router := chi.NewRouter()
	router.Use(web.WithRequestID, h.trace, h.accessLog)
	router.Get("/v1/things/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	router.Get("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	router.Get("/refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(499) })
	router.Get("/livez", func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/v1/things/7", "/broken", "/refused", "/livez", "/healthz"} {
		router.ServeHTTP(httptest.NewRecorder(), ask(t, "GET", path, "X-Request-Id", "mine"))
	}
	require.Len(t, tracer.spans, 3, "probes are not recorded")
	first := tracer.spans[0]
	require.Equal(t, "GET /v1/things/{id}", first.name)
	require.Equal(t, map[string]string{
		"http.request.method": "GET", "url.path": "/v1/things/7", "grym.request_id": "mine", "http.route": "/v1/things/{id}",
		"http.response.status_code": "200",
	}, first.attrs)
	require.NoError(t, first.err)
	require.ErrorContains(t, tracer.spans[1].err, "answered 500")
	require.NoError(t, tracer.spans[2].err)
	for _, span := range tracer.spans {
		require.Equal(t, 1, span.ended)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 5)
	for _, text := range []string{"level=INFO", "request_id=mine", "method=GET", "path=/v1/things/7", "status=200",
		"bytes=5", "remote=", "trace=abc"} {
		require.Contains(t, lines[0], text)
	}
	require.Contains(t, lines[1], "level=DEBUG")
	require.NotContains(t, lines[3], "trace=")
	plain := smallHandlers(t, func(*Config, *Dependencies) {})
	called := false
	plain.trace(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })).ServeHTTP(httptest.NewRecorder(),
		ask(t, "GET", "/x"))
	require.True(t, called, "without a tracer")
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	run := func(value any) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		recoverPanics(writer())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if value != nil {
				panic(value)
			}
			w.WriteHeader(http.StatusTeapot)
		})).ServeHTTP(w, ask(t, "GET", "/"))
		return w
	}
	require.Equal(t, http.StatusTeapot, run(nil).Code)
	require.Equal(t, http.StatusInternalServerError, run("odd").Code)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { run(http.ErrAbortHandler) })
}

func TestRoutesThatDoNotExist(t *testing.T) {
	t.Parallel()
	for path, hint := range map[string]bool{
		"/models": true, "/openai/v1/models": true, "/v1/models": false, "/other": false, "/v1/audio/speech": false, "/audio/speech": true,
	} {
		var refused *problem.HTTPError
		require.ErrorAs(t, noRoute(path), &refused)
		require.Equal(t, http.StatusNotFound, refused.Status)
		require.Equal(t, hint, strings.Contains(refused.Message, "the base URL of a client ends with /v1"), path)
		require.Equal(t, path == "/v1/audio/speech", strings.HasPrefix(refused.Message, "text to speech is not available"), path)
	}
	for path, want := range map[string]string{"/a//b/": "/a/b", "/v1/v1/x": "/v1/x", "/x": "/x"} {
		r := ask(t, "GET", path)
		before := *r.URL
		cleanPath(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
			require.Equal(t, want, got.URL.Path)
			require.Equal(t, path == want, got == r, "a request that needs no change is passed on")
		})).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, before, *r.URL)
	}
	r := ask(t, "GET", "/v1/a%2Fb/")
	cleanPath(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
		require.Equal(t, "/v1/a%2Fb", got.URL.RawPath)
		require.Equal(t, "/v1/a/b", got.URL.Path)
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func TestInvalidKeysOfAnAddressAreCounted(t *testing.T) {
	t.Parallel()
	h := smallHandlers(t, func(_ *Config, d *Dependencies) { d.Failures = access.NewFailures(1) })
	r := ask(t, "GET", "/")
	_, err := h.check(r, manyKeys{}, "x")
	require.Equal(t, "invalid_api_key", slugOf(err))
	_, err = h.check(r, manyKeys{}, "x")
	require.Equal(t, "busy", slugOf(err))
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Positive(t, fault.RetryAfter)
	key, err := h.check(r, manyKeys{}, "use")
	require.NoError(t, err)
	require.Equal(t, "use", key.ID)
}
