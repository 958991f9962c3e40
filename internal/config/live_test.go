package config

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/services"
)

// running is the configuration of a server; it counts changes.
type running struct {
	*Live
	file    string
	applied []*Loaded
}

func run(t *testing.T, text string) *running {
	t.Helper()
	r := &running{file: yamlFile(t, text)}
	source := Source{File: r.file}
	loaded, err := Load(source)
	require.NoError(t, err)
	r.Live = NewLive(source, loaded, func(l *Loaded) { r.applied = append(r.applied, l) })
	return r
}

func (r *running) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.file, []byte(text), 0o600))
}

// patch applies a valid patch, and returns the changed keys and the configuration in force.
func (r *running) patch(t *testing.T, patch map[string]any) ([]string, *Loaded) {
	t.Helper()
	changed, err := r.Patch(patch)
	require.NoError(t, err)
	require.NotEmpty(t, r.applied)
	return changed, r.applied[len(r.applied)-1]
}

type tree = map[string]any

// problems returns the problems of a fault by field.
func problems(t *testing.T, err error) map[string]string {
	t.Helper()
	require.Equal(t, services.KindInvalid, services.KindOf(err), "%v", err)
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	found := make(map[string]string)
	for _, field := range fault.Fields {
		found[field.Field] = field.Problem
	}
	return found
}

func TestLiveSettingsArePatchedAndTakenBack(t *testing.T) {
	t.Parallel()
	r := run(t, "log: {level: warn}\nservices: {gama: {keepAlive: 1m}}\n")
	changed, now := r.patch(t, tree{"log": tree{"level": "debug"}, "services": tree{"modelService": tree{"keepAlive": "5m"}}})
	require.Equal(t, []string{
		"log.level", "services.audioldm.keepAlive", "services.clap.keepAlive", "services.modelService.keepAlive", "services.wav2vec2.keepAlive",
		"services.whisper.keepAlive",
	}, changed, "what inherits a value changes with it, and what has its own does not")
	require.Equal(t, "DEBUG", now.Log.Level.String())
	require.Equal(t, 5*time.Minute, now.Services.Section("audioldm").Common().KeepAlive)
	require.Equal(t, time.Minute, now.Services.Section("gama").Common().KeepAlive)
	for service, keep := range map[string]time.Duration{"wav2vec2": 5 * time.Minute, "gama": time.Minute, "audioProcessor": 30 * time.Minute} {
		limits := now.Services.Section(service).Common().Limits
		require.Equal(t, keep, limits.KeepAlive, service)
		require.True(t, limits.Recoverable, service)
		require.Positive(t, limits.MaxMemory, service)
	}

	changed, now = r.patch(t, tree{"systemHardening": tree{"maxResourceMemory": "1GB", "performanceMonitoring": tree{"sustain": 7.0}}})
	require.Equal(t, []string{"systemHardening.performanceMonitoring.sustain", "systemHardening.resourceManagement.maxMemory"}, changed)
	require.Equal(t, services.Bytes(1_000_000_000), now.SystemHardening.ResourceManagement.MaxMemory)
	require.Equal(t, "DEBUG", now.Log.Level.String(), "earlier changes stay")

	require.Len(t, r.applied, 2)
	for _, patch := range []map[string]any{{}, {"log": tree{}}, {"log": tree{"level": "debug"}}} {
		changed, err := r.Patch(patch)
		require.NoError(t, err)
		require.Empty(t, changed)
	}
	require.Len(t, r.applied, 2, "nothing changed, and nothing is put in force")

	changed, now = r.patch(t, tree{"log": tree{"level": nil}})
	require.Equal(t, []string{"log.level"}, changed)
	require.Equal(t, "WARN", now.Log.Level.String(), "the file's again")
}

// refusedPatch is a patch with the problems of its fields.
type refusedPatch struct {
	patch map[string]any
	says  map[string]string
}

func refusedPatches() map[string]refusedPatch {
	return map[string]refusedPatch{
		"cannot change": {
			tree{"log": tree{"level": "debug", "format": "text"}, "api": tree{"listen": "127.0.0.1:1"}, "auth": tree{"mode": "keys"},
				"dataDir": "x"},
			map[string]string{
				"log.format": "cannot change while the server runs: the log is opened when the server starts",
				"api.listen": "cannot change while the server runs: the listener is opened when the server starts",
				"auth.mode":  "cannot change while the server runs: access control is set up when the server starts",
				"dataDir":    "cannot change while the server runs: the folder is locked when the server starts",
			},
		},
		"cannot change, of many kinds": {
			tree{
				"onnx": tree{"libraryPath": "/x"}, "tracing": tree{"enabled": true}, "hardening": tree{"timeout": "1m"},
				"services": tree{"gama": tree{"runs": 2}}, "systemHardening": tree{"resourceManagement": tree{"enabled": false}},
			},
			map[string]string{
				"onnx.libraryPath":                           "cannot change while the server runs: the library is loaded when the server starts",
				"tracing.enabled":                            "cannot change while the server runs: the tracer is created when the server starts",
				"hardening.timeout":                          "cannot change while the server runs: the guards are created when the server starts",
				"services.gama.runs":                         "cannot change while the server runs: it is read when the server starts",
				"systemHardening.resourceManagement.enabled": "cannot change while the server runs: it is read when the server starts",
			},
		},
		"no settings": {
			tree{"log": tree{"level": "debug", "levels": "x"}, "services": tree{"gamma": tree{"keepAlive": 1}}},
			map[string]string{
				"log.levels":               "is not a setting; did you mean log.level?",
				"services.gamma.keepAlive": "is not a setting; did you mean services.gama.keepAlive?",
			},
		},
		"a section": {
			tree{"log": tree{"level": tree{"x": 1}}}, map[string]string{"log.level.x": "is not a setting; did you mean log.level?"},
		},
		"a value for a section": {
			tree{"log": "debug"}, map[string]string{"log": "is a section but must be a value, or is a value but must be a section"},
		},
		"bad values": {
			tree{"services": tree{"gama": tree{"keepAlive": "-1s"}}, "systemHardening": tree{"resourceManagement": tree{"queueLimit": 0}}},
			map[string]string{
				"services.gama.keepAlive":                       "must not be negative, got -1s",
				"systemHardening.resourceManagement.queueLimit": "must be at least 1, got 0",
			},
		},
	}
}

func TestAPatchIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	r := run(t, "log: {level: warn}\n")
	for name, c := range refusedPatches() {
		_, err := r.Patch(c.patch)
		require.Equal(t, c.says, problems(t, err), name)
		require.Empty(t, r.applied, name)
	}
	_, err := r.Patch(tree{"log": tree{"level": "loud"}})
	require.Contains(t, problems(t, err), "log.level")
	_, err = r.Patch(tree{"systemHardening": tree{"maxResourceMemory": "1GB", "resourceManagement": tree{"maxMemory": "2GB"}}})
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, "its other name")

	changed, now := r.patch(t, tree{"readiness": tree{"required": []any{}}})
	require.Equal(t, []string{"readiness.required"}, changed, "refused patches left nothing behind")
	require.Equal(t, "WARN", now.Log.Level.String())
}

func TestTheFileIsReadAgain(t *testing.T) {
	t.Parallel()
	r := run(t, "log: {level: warn}\nservices: {gama: {keepAlive: 1m}}\n")
	r.patch(t, tree{"services": tree{"gama": tree{"keepAlive": "2m"}}})

	changed, err := r.Reload()
	require.NoError(t, err)
	require.Empty(t, changed)
	r.write(t, "log: {level: error}\nservices: {gama: {keepAlive: 3m, maxMemory: 1GB}}\n")
	changed, err = r.Patch(tree{})
	require.NoError(t, err)
	require.Empty(t, changed, "a patch does not read the file")
	require.Len(t, r.applied, 1)
	changed, err = r.Reload()
	require.NoError(t, err)
	require.Equal(t, []string{"log.level", "services.gama.maxMemory"}, changed)
	require.Len(t, r.applied, 2)
	require.Equal(t, "ERROR", r.applied[1].Log.Level.String())
	require.Equal(t, 2*time.Minute, r.applied[1].Services.Section("gama").Common().KeepAlive, "what was patched stays in force")

	for text, key := range map[string]string{
		"log: {level: info, format: json}\n": "log.format",
		"log: {level: loud}\n":               "log.level",
		"log: {levels: info}\n":              "settings.yaml",
	} {
		r.write(t, text)
		_, err = r.Reload()
		require.Contains(t, problems(t, err), key, text)
	}
	require.NoError(t, os.Remove(r.file))
	_, err = r.Reload()
	require.Error(t, err)
	require.Len(t, r.applied, 2, "a file that is refused changes nothing")
	_, now := r.patch(t, tree{"services": tree{"gama": tree{"keepAlive": nil}}})
	require.Equal(t, "ERROR", now.Log.Level.String())
	require.Equal(t, 3*time.Minute, now.Services.Section("gama").Common().KeepAlive, "the file as last read")
}

func TestTheViewHasEverySettingAndNoSecret(t *testing.T) {
	t.Parallel()
	r := run(t, "jobs: {url: 'nats://user:hunter2@host:4222', webhooks: {secret: 0123456789abcdef}}\nservices: {gama: {keepAlive: 90s}}\n")
	settings, live, err := r.View()
	require.NoError(t, err)
	at := func(keys ...string) (value any) {
		value = settings
		for _, key := range keys {
			section, ok := value.(tree)
			require.True(t, ok, keys)
			value = section[key]
		}
		return value
	}
	require.Equal(t, "nats://********@host:4222", at("jobs", "url"))
	require.Equal(t, "********", at("jobs", "webhooks", "secret"))
	require.Equal(t, "1m30s", at("services", "gama", "keepAlive"))
	require.Equal(t, "4GB", at("services", "gama", "maxMemory"))
	want := []string{
		"log.level", "models.aliases", "models.defaults.ask", "models.defaults.caption", "models.defaults.classify", "models.defaults.embed",
		"models.defaults.generate", "models.defaults.transcribe", "models.defaults.translate", "readiness.required",
		"systemHardening.performanceMonitoring.checkInterval", "systemHardening.performanceMonitoring.enabled",
		"systemHardening.performanceMonitoring.history", "systemHardening.performanceMonitoring.horizon",
		"systemHardening.performanceMonitoring.maxCPU", "systemHardening.performanceMonitoring.maxGoroutines",
		"systemHardening.performanceMonitoring.maxLatency", "systemHardening.performanceMonitoring.maxMemory",
		"systemHardening.performanceMonitoring.maxSchedulingLatency", "systemHardening.performanceMonitoring.sustain",
		"systemHardening.resourceManagement.ageing", "systemHardening.resourceManagement.dynamic",
		"systemHardening.resourceManagement.maxMemory", "systemHardening.resourceManagement.queueLimit",
		"systemHardening.resourceManagement.reserve",
	}
	for _, service := range append(modules.Names(), "modelService") {
		want = append(want, "services."+service+".keepAlive", "services."+service+".maxMemory")
	}
	slices.Sort(want)
	require.Equal(t, want, live)

	changed, err := r.Patch(settings)
	require.NoError(t, err, "what was read may be sent back")
	require.Empty(t, changed)
	require.Empty(t, r.applied)
}
