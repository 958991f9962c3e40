package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func yamlFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestDefaultsAreValidAndThoseOfTheSampleFile(t *testing.T) {
	t.Parallel()
	plain, err := Load(Source{})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", plain.API.Listen)
	require.Equal(t, services.Bytes(4_000_000_000), plain.Services.Section("wav2vec2").Common().MaxMemory)
	require.True(t, plain.Services.Section("wav2vec2").Common().Recoverable)
	sample, err := Load(Source{File: "../../config.yaml"})
	require.NoError(t, err)
	require.Equal(t, plain.Config, sample.Config, "config.yaml shows every setting with its default")
	for key := range sample.origins {
		if _, ok := inherited[key]; !ok {
			require.Equal(t, "config.yaml", sample.origins[key], "%s is missing in config.yaml", key)
		}
	}
}

func TestFlagsWinOverVariablesOverTheFile(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{
		File:    yamlFile(t, "api: {listen: '127.0.0.1:1'}\ndataDir: file\nlog: {level: warn}\n"),
		Environ: []string{"GRYM_API__LISTEN=127.0.0.1:2", "GRYM_DATA_DIR=env", "GRYM_TESTDATA=x", "HOME=/"},
		Flags:   map[string]string{"api.listen": "127.0.0.1:3"},
	})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3", l.API.Listen)
	require.Equal(t, "env", l.DataDir)
	require.Equal(t, filepath.Join("env", "models"), l.ModelsDir())
	require.Equal(t, "WARN", l.Log.Level.String())
	var out bytes.Buffer
	require.NoError(t, l.WriteOrigins(&out))
	for _, line := range []string{"api.listen: 127.0.0.1:3  # --listen", "dataDir: env  # GRYM_DATA_DIR", "log.level: warn  # settings.yaml",
		"log.format: auto  # default"} {
		require.Contains(t, out.String(), line)
	}
}

func TestWhatIsPrintedLoadsAgain(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{Environ: []string{"GRYM_SYSTEMHARDENING__RESOURCEMANAGEMENT__MAXMEMORY=700MiB", "GRYM_HARDENING__TIMEOUT=1500",
		"GRYM_READINESS__REQUIRED=wav2vec2"}})
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, l.Hardening.Timeout)
	var out bytes.Buffer
	require.NoError(t, l.WriteYAML(&out))
	again, err := Load(Source{File: yamlFile(t, out.String())})
	require.NoError(t, err)
	require.Equal(t, l.Config, again.Config)
}

func TestTheLibraryVariable(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"alone":      {"ONNXRUNTIME_SHARED_LIBRARY_PATH=/a"},
		"ours first": {"GRYM_ONNX__LIBRARYPATH=/a", "ONNXRUNTIME_SHARED_LIBRARY_PATH=/b"},
		"ours last":  {"ONNXRUNTIME_SHARED_LIBRARY_PATH=/b", "GRYM_ONNX__LIBRARYPATH=/a"},
	} {
		l, err := Load(Source{Environ: environ})
		require.NoError(t, err)
		require.Equal(t, "/a", l.ONNX.LibraryPath, name)
	}
}

func TestOtherNamesOfTheSameSettings(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{File: yamlFile(t, `systemHardening:
  enableHealthMonitoring: false
  healthCheckIntervalMs: 1000
  maxResourceMemory: 2GB
  recoverableServices: [audioProcessor]
`)})
	require.NoError(t, err)
	require.False(t, l.SystemHardening.HealthMonitoring.Enabled)
	require.Equal(t, time.Second, l.SystemHardening.HealthMonitoring.CheckInterval)
	require.Equal(t, services.Bytes(2_000_000_000), l.SystemHardening.ResourceManagement.MaxMemory)
	require.True(t, l.Services.Section("audioProcessor").Common().Recoverable)
	require.False(t, l.Services.Section("wav2vec2").Common().Recoverable)
	_, err = Load(Source{File: yamlFile(t, "systemHardening: {maxResourceMemory: 2GB, resourceManagement: {maxMemory: 3GB}}")})
	require.ErrorContains(t, err, "its other name")
}

func TestMistakesNameTheKey(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"systemHardening: {resourceManagment: {maxMemory: 4GB}}":   "did you mean systemHardening.resourceManagement.maxMemory",
		"api: {drainTimeout: soon}":                                "drainTimeout",
		"api: {listen: nonsense}":                                  "api.listen: must be host:port",
		"systemHardening: {resourceManagement: {maxMemory: lots}}": "maxMemory",
		"hardening: {breaker: {failures: 0}}":                      "hardening.breaker.failures: must be at least 1",
		"hardening: {retry: {delay: 2s}}":                          "hardening.retry.maxDelay: must be above retry.delay (2s)",
		"services: {wav2vec2: {maxSeconds: 1e6}}":                  "services.wav2vec2.maxSeconds: must be above 0 and at most 86400",
		"services: {modelService: {maxMemory: 1KB}}":               "services.wav2vec2.maxMemory: must be at least 16MiB",
		"readiness: {required: [speech]}":                          `readiness.required: unknown service "speech"`,
		"log: {level: loud}":                                       "level",
		"services: []":                                             "services",
		"systemHardening: {recoverableServices: [nobody]}":         `unknown service "nobody"`,
		"systemHardening: {healthMonitoring: {checkInterval: 1}}":  "systemHardening.healthMonitoring.checkInterval: must be at least 100ms",
		"systemHardening: {errorRecovery: {maxAttempts: 0}}":       "systemHardening.errorRecovery.maxAttempts: must be at least 1",
		"{": "settings.yaml",
		"services: {wav2vec2: {runs: 1000}, audioProcessor: {maxMemory: 1}}": "services.wav2vec2.runs: must be 0 to 256",
		"services: {gama: {cores: -1}}":                                      "services.gama.cores: must be 0 to 256, got -1",
		"onnx: {spin: 1s}":                                                   "onnx.spin: must be 0 to 10ms, got 1s",
	} {
		_, err := Load(Source{File: yamlFile(t, text)})
		require.ErrorContains(t, err, says, text)
	}
	_, err := Load(Source{Environ: []string{"GRYM_API__LISTN=x"}})
	require.ErrorContains(t, err, "GRYM_API__LISTN: not a setting; did you mean GRYM_API__LISTEN")
	_, err = Load(Source{File: yamlFile(t, "services:\n")})
	require.NoError(t, err, "an empty section is none")
}

func FuzzLoad(f *testing.F) {
	f.Add("api: {listen: '127.0.0.1:0'}")
	f.Add("services:\n  wav2vec2: [1, 2]\n")
	f.Add("systemHardening: {maxResourceMemory: 9999999999999GB}")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Load(Source{File: yamlFile(t, text)})
	})
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key       string
		value, to any
	}{
		{"jobs.url", "nats://user:hunter2@host:4222", "nats://********@host:4222"},
		{"jobs.url", "nats://t0ken@a,tls://u:p@ss@b/x", "nats://********@a,tls://********@b/x"},
		{"jobs.url", "nats://host:4222", "nats://host:4222"},
		{"jobs.password", "hunter2", "********"},
		{"jobs.nkeySecret", "", ""},
		{"jobs.urls", []string{"nats://u:p@a"}, []string{"nats://********@a"}},
		{"services.x.maxTokens", 7, 7},
		{"dataDir", "me@home", "me@home"},
	} {
		require.Equal(t, c.to, mask(c.key, c.value), "%s: %v", c.key, c.value)
	}
}
