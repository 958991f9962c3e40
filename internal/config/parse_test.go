package config

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// TestFormsOfValues has every form in which a value may be written, and those beside.
func TestFormsOfValues(t *testing.T) {
	t.Parallel()
	type hook = func(from, to reflect.Type, value any) (any, error)
	for _, c := range []struct {
		hook hook
		to   any
		from any
		want any // an error's text where it is an error
	}{
		{durationHook, time.Duration(0), "1m30s", 90 * time.Second},
		{durationHook, time.Duration(0), "1.5", 1500 * time.Microsecond},
		{durationHook, time.Duration(0), "20", 20 * time.Millisecond},
		{durationHook, time.Duration(0), 20, 20 * time.Millisecond},
		{durationHook, time.Duration(0), 1.5, 1500 * time.Microsecond},
		{durationHook, time.Duration(0), time.Second, time.Second},
		{durationHook, time.Duration(0), "soon", errors.New(`must be a duration such as 30s, or a number of milliseconds, got "soon"`)},
		{durationHook, time.Duration(0), true, errors.New("must be a duration such as 30s, or a number of milliseconds, got true")},
		{durationHook, 0, "1m", "1m"},
		{bytesHook, services.Bytes(0), "4GB", services.Bytes(4_000_000_000)},
		{bytesHook, services.Bytes(0), "512MiB", 512 * services.MiB},
		{bytesHook, services.Bytes(0), 7, services.Bytes(7)},
		{bytesHook, services.Bytes(0), services.MiB, services.MiB},
		{bytesHook, services.Bytes(0), "4611686018427387904", services.Bytes(1 << 62)},
		{bytesHook, services.Bytes(0), "4611686018427387905", errors.New("must be an amount of memory such as 4GB or 512MiB")},
		{bytesHook, services.Bytes(0), "lots", errors.New(`must be an amount of memory such as 4GB or 512MiB, got "lots"`)},
		{bytesHook, services.Bytes(0), 1.5, errors.New("must be an amount of memory such as 4GB or 512MiB, got 1.5")},
		{bytesHook, 0, "4GB", "4GB"},
		{switchHook, resources.On, true, resources.On},
		{switchHook, resources.On, "true", resources.On},
		{switchHook, resources.On, false, resources.Off},
		{switchHook, resources.On, "false", resources.Off},
		{switchHook, resources.On, "maybe", "maybe"},
		{switchHook, resources.On, resources.Off, resources.Off},
		{switchHook, "", true, true},
		{listHook, []string{}, "a, b,,c ", []string{"a", "b", "c"}},
		{listHook, []string{}, "", []string{}},
		{listHook, []string{}, []string{"a,b"}, []string{"a,b"}},
		{listHook, "", "a,b", "a,b"},
	} {
		got, err := c.hook(reflect.TypeOf(c.from), reflect.TypeOf(c.to), c.from)
		if refused, ok := c.want.(error); ok {
			require.ErrorContains(t, err, refused.Error(), "%v", c.from)
			continue
		}
		require.NoError(t, err, "%v", c.from)
		require.Equal(t, c.want, got, "%v", c.from)
	}
}

// TestValuesArePrintedAsTheyAreWritten has each unit and what is just beside it.
func TestValuesArePrintedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for b, want := range map[services.Bytes]any{
		0: int64(0), 999: int64(999), 1000: "1KB", 1024: "1KiB", 1025: int64(1025), 2_000_000: "2MB", 3 * services.MiB: "3MiB",
		4_000_000_000: "4GB", 5 * services.GiB: "5GiB", 1_000_000_001: int64(1_000_000_001), -1000: int64(-1000),
	} {
		require.Equal(t, want, formatBytes(b))
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 48 * time.Hour: "48h", time.Minute: "1m", 90 * time.Minute: "90m", 90 * time.Second: "1m30s",
		time.Second: "1s", 1500 * time.Microsecond: "1.5ms", -time.Minute: "-1m",
	} {
		require.Equal(t, want, formatDuration(d))
	}
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warn", slog.LevelError: "error", slog.LevelInfo + 2: "INFO+2",
	} {
		require.Equal(t, want, formatLevel(level))
	}
	for _, key := range []string{"password", "webhooks.secret", "x.token", "credentials", "aCredential",
		"tracing.headers", "apiKey", "privateKey"} {
		require.Equal(t, masked, mask(key, "x"), key)
		require.Equal(t, "", mask(key, ""), key)
		require.Equal(t, []string{masked, ""}, mask(key, []string{"a", ""}), key)
	}
	require.Equal(t, 7, mask("secret", 7))
	for text, want := range map[string]string{
		"nats://user:hunter2@a:1,nats://b:2": "nats://********@a:1,nats://b:2", "https://a/x@y": "https://a/x@y", "a@b": "a@b",
		"https://u:p@ss@a": "https://********@a", "https://@a": "https://********@a", "": "",
	} {
		require.Equal(t, want, mask("jobs.url", text), text)
	}
}

// brokenWriter fails at the nth write.
type brokenWriter struct{ left int }

var errBroken = errors.New("it is broken")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestAnOutputThatFails(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{})
	require.NoError(t, err)
	require.ErrorIs(t, l.WriteYAML(&brokenWriter{}), errBroken)
	for _, left := range []int{0, 1, len(l.origins) - 1} {
		require.ErrorIs(t, l.WriteOrigins(&brokenWriter{left}), errBroken)
	}
	require.NoError(t, l.WriteOrigins(&brokenWriter{len(l.origins)}), "each setting is one write")
	var out bytes.Buffer
	require.NoError(t, l.WriteOrigins(&out))
	require.Contains(t, out.String(), "models.aliases: gpt-4o-mini-transcribe=default:transcribe,gpt-4o-transcribe=default:transcribe,")
}

// TestEverySourceNamesItsProblems has a bad value in each source.
func TestEverySourceNamesItsProblems(t *testing.T) {
	t.Parallel()
	file := func(text string) Source { return Source{File: yamlFile(t, text)} }
	for says, source := range map[string]Source{
		"--config: ":      {File: filepath.Join(t.TempDir(), "none.yaml")},
		"settings.yaml: ": file("a: [1"),
		"log.format: must be auto, json or text, got \"xml\"":                               file("log: {format: xml}"),
		"jobs.services: unknown service \"x\"; available: ":                                 file("jobs: {services: [wav2vec2, pipelines, x]}"),
		"readiness.required: unknown service \"x\"; available: ":                            file("readiness: {required: [gama, x]}"),
		"jobs.batches.window: ":                                                             file("jobs: {batches: {window: 0}}"),
		"jobs.webhooks.maxAttempts: ":                                                       file("jobs: {webhooks: {maxAttempts: 0}}"),
		"services.modelService.maxMemory: ":                                                 file("services: {modelService: {maxMemory: -1}}"),
		"settings.yaml: pipelines.definitions: must have a definition for each name, got 5": file("pipelines: {definitions: 5}"),
		"settings.yaml: pipelines.definitions: cannot be read":                              file("pipelines: {definitions: {a: .nan}}"),
		"settings.yaml: models.aliases: must have a name":                                   file("models: {aliases: 5}"),
		"settings.yaml: systemHardening.resourceManagement.enabled is true, but its other name " +
			"systemHardening.enableResourceManagement is false": file(
			"systemHardening: {enableResourceManagement: false, resourceManagement: {enabled: true}}"),
		"systemHardening.recoverableServices: unknown service \"x\"":     file("systemHardening: {recoverableServices: [gama, x]}"),
		"GRYM_LOG__LEVELS: not a setting; did you mean GRYM_LOG__LEVEL?": {Environ: []string{"GRYM_LOG__LEVELS=info"}},
		"GRYM_MODELS__ALIASES: models.aliases: must be a list such as":   {Environ: []string{"GRYM_MODELS__ALIASES=a=b,c"}},
		"--listen: api.listens: not a setting":                           {Flags: map[string]string{"api.listens": "x"}},
		"api.listen: ":                                                   {Flags: map[string]string{"api.listen": "nowhere"}},
	} {
		if says[:2] == "--" && source.Flags != nil {
			says = "api.listens: not a setting; did you mean api.listen?"
		}
		_, err := Load(source)
		require.ErrorContains(t, err, says)
	}
	for _, format := range []string{"auto", "json", "text"} {
		_, err := Load(file("log: {format: " + format + "}"))
		require.NoError(t, err)
	}
	_, err := Load(file("jobs: {services: [wav2vec2, pipelines]}\nreadiness: {required: [gama]}"))
	require.NoError(t, err)
}

func TestFoldersBelowTheDataFolder(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{File: yamlFile(t, "dataDir: d\n")})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join("d", "models"), filepath.Join("d", "jobs")}, []string{l.ModelsDir(), l.JobsDir()})
	l, err = Load(Source{File: yamlFile(t, "dataDir: d\nmodels: {dir: m}\njobs: {dir: j}\n")})
	require.NoError(t, err)
	require.Equal(t, []string{"m", "j"}, []string{l.ModelsDir(), l.JobsDir()})
	require.NotEmpty(t, Environ())
	_, err = Hub()
	require.NoError(t, err)
}

// TestARefusalNamesEachField has the forms of an error of Load.
func TestARefusalNamesEachField(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"log.format: must be auto":                  {"log.format": "must be auto"},
		"changed live: log.level: must be low":      {"log.level": "must be low"},
		"a: x\n  b: y: z\n\n":                       {"a": "x", "b": "y: z"},
		"configuration: decoding failed due to":     {},
		"'log.level' cannot parse 'loud'":           {"log.level": "cannot parse 'loud'"},
		"'log.level' cannot parse value as 'x': no": {"log.level": "cannot parse value as 'x': no"},
		"something else":                            {"configuration": "something else"},
		"models.aliases.a stands for itself":        {"configuration": "models.aliases.a stands for itself"},
	} {
		require.Equal(t, want, problems(t, refusal(errors.New(text))), text)
	}
}

// TestCommentsOfSettings has comments above and beside keys, and of mappings on one line.
func TestCommentsOfSettings(t *testing.T) {
	t.Parallel()
	got, err := readComments([]byte(`# of the file

# above a,
# on two lines
a: 1
b: 2 # beside b
# above c
c: # beside c
  d: 3 # beside d
  e: 4
f: {g: 5, h: 6} # beside f
i: {} # empty
j: [1, 2] # a list
`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"a": "above a, on two lines", "b": "beside b", "c": "beside c", "c.d": "beside d", "c.e": "", "f": "beside f",
		"f.g": "beside f", "f.h": "beside f", "i": "empty", "j": "a list",
	}, got)
	for text, want := range map[string]string{"# a": "a", "# a\n#b": "a b", "# a\n\n# b": "b", "": ""} {
		require.Equal(t, want, plainComment(text))
	}
}

func TestADescriptionNeedsItsReference(t *testing.T) {
	t.Parallel()
	source := Source{Reference: []byte("a: [1")}
	loaded, err := Load(source)
	require.NoError(t, err)
	_, err = NewLive(source, loaded, nil).Describe()
	require.ErrorContains(t, err, "read the comments of the settings")
}

// TestPatchesOfAliases has sections that are empty or not there.
func TestPatchesOfAliases(t *testing.T) {
	t.Parallel()
	r := run(t, "models: {aliases: {a: x}}\n")
	aliasesOf := func(aliases any) tree { return tree{"models": tree{"aliases": aliases}} }
	for _, patch := range []any{tree{}, tree{"a": "x"}, nil, tree{"none": nil}} {
		changed, err := r.Patch(aliasesOf(patch))
		require.NoError(t, err)
		require.Empty(t, changed, "%v", patch)
	}
	changed, _ := r.patch(t, aliasesOf(tree{"b": "y"}))
	require.Equal(t, []string{keyAliases}, changed)
	changed, now := r.patch(t, aliasesOf(tree{"b": "y", "c": "z"}))
	require.Equal(t, []string{keyAliases}, changed)
	require.Equal(t, "y", now.Models.Aliases["b"])
	_, now = r.patch(t, aliasesOf(tree{"b": nil}))
	require.NotContains(t, now.Models.Aliases, "b")
	require.Equal(t, "z", now.Models.Aliases["c"])
	_, err := r.Patch(aliasesOf(5))
	require.ErrorContains(t, err, "models.aliases: must have a name for each alias")
	_, err = r.Patch(aliasesOf(tree{"a": 5}))
	require.ErrorContains(t, err, "models.aliases.a: must be the name of a model, got 5")
	require.Equal(t, "a=x,b=y", pairs(map[string]string{"b": "y", "a": "x"}))
}
