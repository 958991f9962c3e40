package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// keyCase has valid and invalid values of a key in config.yaml. Numbers are at their limits
// and just beyond.
type keyCase struct {
	good, bad []string
	// with are further settings that the values require.
	with map[string]string
}

// Values of settings that have no limits of their own.
var (
	truths   = keyCase{good: []string{"true", "false"}, bad: []string{"maybe", "[1, 2]"}}
	texts    = keyCase{good: []string{"x"}, bad: []string{"[a, b]"}}
	positive = keyCase{good: []string{"1ns", "1h"}, bad: []string{"0", "-1ns", "soon", "[1]", "true"}}
)

// serviceKeys returns the cases of the settings that every service has.
func serviceKeys(name string, cases map[string]keyCase) map[string]keyCase {
	all := map[string]keyCase{
		"maxMemory":   {good: []string{"16MiB", "16777216"}, bad: []string{"16777215", "0", "-1", "lots"}},
		"recoverable": truths,
		"keepAlive":   {good: []string{"0", "1ns"}, bad: []string{"-1ns", "soon"}},
		"runs":        {good: []string{"0", "256"}, bad: []string{"-1", "257", "many", "1.5x"}},
		"cores":       {good: []string{"0", "256"}, bad: []string{"-1", "257", "many", "1.5x"}},
	}
	if _, models := cases["defaultModel"]; models {
		all["preload"] = keyCase{good: []string{"[]", "[x, y]"}, bad: []string{"[a/b]", "[x, x]", "['']"}}
	}
	maps.Copy(all, cases)
	full := make(map[string]keyCase)
	for key, c := range all {
		full["services."+name+"."+key] = c
	}
	return full
}

// keyCases returns cases for every key of config.yaml.
func keyCases() map[string]keyCase {
	all := map[string]keyCase{
		"dataDir": {good: []string{"x"}, bad: []string{"''", "[a, b]"}},

		"console.enabled": truths,

		"log.level":          {good: []string{"debug", "error"}, bad: []string{"loud", "[info, warn]"}},
		"log.format":         {good: []string{"auto", "json", "text"}, bad: []string{"''", "xml", "JSON"}},
		"models.dir":         texts,
		"models.catalogue":   texts,
		"models.aliases":     {good: []string{"{}", "{mine: wav2vec2-tiny}"}, bad: []string{"[a, b]", "{a/b: x}", "{a: a}"}},
		"onnx.libraryPath":   texts,
		"onnx.spin":          {good: []string{"0", "10ms"}, bad: []string{"-1ns", "10.001ms", "soon"}},
		"readiness.required": {good: []string{"[]", "[gama, audioProcessor]"}, bad: []string{"[speech]", "[wav2vec2, '']"}},
	}
	for _, task := range []string{"transcribe", "translate", "embed", "classify", "generate", "ask", "caption"} {
		all["models.defaults."+task] = keyCase{good: []string{"''", "mine"}, bad: []string{"a b", "../x"}}
	}
	for _, section := range []map[string]keyCase{
		apiKeys(), audioKeys(), hardeningKeys(), monitorKeys(), resourceKeys(), jobKeys(), storeKeys(), pipelineKeys(),
		serviceKeys("audioProcessor", map[string]keyCase{"maxOutput": {good: []string{"1MiB"}, bad: []string{"1048575", "0", "-1"}}}),
		serviceKeys("wav2vec2", map[string]keyCase{
			"defaultModel": {good: []string{"x"}, bad: []string{"''", "[a, b]"}},
		}),
		serviceKeys("audioldm", map[string]keyCase{
			"defaultModel": {good: []string{"x"}, bad: []string{"''", "[a, b]"}},
			"maxSeconds":   {good: []string{"1", "600"}, bad: []string{"0.999", "600.001", ".nan", ".inf", "long"}},
			"ranker":       {good: []string{"x", "''"}, bad: []string{"[a, b]"}},
		}),
		serviceKeys("gama", map[string]keyCase{
			"defaultModel":       {good: []string{"x"}, bad: []string{"''", "[a, b]"}},
			"contexts.maxCount":  {good: []string{"1", "1000000"}, bad: []string{"0", "1000001", "many"}},
			"contexts.maxMemory": {good: []string{"0", "1GB"}, bad: []string{"-1", "lots"}},
			"contexts.expiry":    {good: []string{"1m"}, bad: []string{"59999", "0", "soon"}},
		}),
		serviceKeys("whisper", map[string]keyCase{"defaultModel": {good: []string{"x"}, bad: []string{"''", "[a, b]"}}}),
		serviceKeys("modelHub", map[string]keyCase{"reserve": {good: []string{"0", "1GiB"}, bad: []string{"-1", "much"}}}),
		serviceKeys("clap", map[string]keyCase{"defaultModel": {good: []string{"x"}, bad: []string{"''", "[a, b]"}}}),
		serviceKeys("modelService", nil),
		serviceKeys("patterns", map[string]keyCase{
			"model": texts, "maxPatterns": {good: []string{"1", "10000"}, bad: []string{"0", "10001", "many"}},
		}),
	} {
		maps.Copy(all, section)
	}
	delete(all, "services.modelService.runs")
	delete(all, "services.modelService.cores")
	return all
}

func apiKeys() map[string]keyCase {
	keys := map[string]string{"auth.mode": "keys"}
	return map[string]keyCase{
		"api.listen": {
			good: []string{"'127.0.0.1:0'", "'[::1]:80'"},
			bad:  []string{"''", "nonsense", "'127.0.0.1:65536'", "'127.0.0.1'"},
		},
		"api.hosts": {
			good: []string{"[]", "[audio.example]", "['audio.example:8443']"},
			bad:  []string{"['https://audio.example']", "['a b']", "['']"}, with: keys,
		},
		"api.trustedProxies": {
			good: []string{"[]", "[127.0.0.1]", "[10.0.0.0/8]"},
			bad:  []string{"[proxy.example]", "[10.0.0.0/33]", "['']"}, with: keys,
		},
		"api.cors.origins": {
			good: []string{"[]", "['*']", "['https://app.example', 'http://localhost:5173']"},
			bad:  []string{"[app.example]", "['https://app.example/']", "['']"},
		},
		"api.audioURL.hosts": {
			good: []string{"[]", "[files.example]", "['files.example:8443']"},
			bad:  []string{"['https://files.example']", "['*']", "['']"},
		},
		"api.audioURL.allowPrivate": truths,
		"api.audioURL.timeout":      positive,
		"api.maxUpload":             {good: []string{"1"}, bad: []string{"0", "-1", "lots", "99999999999GB"}},
		"api.headerTimeout":         positive,
		"api.uploadTimeout":         positive,
		"api.writeTimeout":          positive,
		"api.drainTimeout":          positive,
		"api.minUploadRate":         {good: []string{"1"}, bad: []string{"0", "-1", "fast"}},
		"api.shutdownDelay":         {good: []string{"0", "1ns"}, bad: []string{"-1ns", "soon"}},
		"auth.mode":                 {good: []string{"auto", "keys", "off"}, bad: []string{"''", "none", "false"}},
		"auth.failuresPerMinute":    {good: []string{"0", "1"}, bad: []string{"-1", "few"}},
		"auth.openMetrics":          truths,

		"tracing.enabled": truths,
		"tracing.endpoint": {
			good: []string{"'http://a'", "'https://a:1/x'"},
			bad:  []string{"''", "'ftp://a'", "'a:4318'", "'http://'", "'http://%zz'"},
		},
		"tracing.headers":     {good: []string{"[]", "[a=b, 'c=']"}, bad: []string{"[ab]", "['=b']", "[a=b, c]"}},
		"tracing.sampleRatio": {good: []string{"0", "1"}, bad: []string{"-0.001", "1.001", ".nan", "all"}},
		"tracing.timeout":     {good: []string{"100ms"}, bad: []string{"99ms", "0", "soon"}},
	}
}

func audioKeys() map[string]keyCase {
	return map[string]keyCase{
		"audio.maxBytes":      {good: []string{"1"}, bad: []string{"0", "-1", "lots"}},
		"audio.maxDuration":   positive,
		"audio.maxChannels":   {good: []string{"1", "8"}, bad: []string{"0", "9", "many"}},
		"audio.minSampleRate": {good: []string{"8000", "192000"}, bad: []string{"7999", "192001", "low"}},
		"audio.maxSampleRate": {
			good: []string{"44100", "192000"}, bad: []string{"44099", "192001", "high"},
			with: map[string]string{"audio.minSampleRate": "44100"},
		},
		"audio.ffmpeg":        {good: []string{"auto", "'off'"}, bad: []string{"/nonexistent/ffmpeg"}},
		"audio.ffmpegTimeout": positive,
	}
}

func hardeningKeys() map[string]keyCase {
	one := keyCase{good: []string{"1"}, bad: []string{"0", "-1", "few"}}
	return map[string]keyCase{
		"hardening.timeout":             positive,
		"hardening.stallTimeout":        {good: []string{"100ms"}, bad: []string{"99ms", "0", "soon"}},
		"hardening.retry.maxRetries":    {good: []string{"0"}, bad: []string{"-1", "few"}},
		"hardening.retry.delay":         {good: []string{"1ns", "499ms"}, bad: []string{"0", "-1ns", "soon"}},
		"hardening.retry.maxDelay":      {good: []string{"51ms"}, bad: []string{"50ms", "0", "soon"}},
		"hardening.retry.jitter":        {good: []string{"0", "1"}, bad: []string{"-0.001", "1.001", ".nan", "some"}},
		"hardening.breaker.failures":    one,
		"hardening.breaker.failureRate": {good: []string{"0.001", "1"}, bad: []string{"0", "1.001", ".nan", "half"}},
		"hardening.breaker.minCalls":    one,
		"hardening.breaker.period":      {good: []string{"1s"}, bad: []string{"999ms", "0", "soon"}},
		"hardening.breaker.delay":       positive,
		"hardening.breaker.trials":      one,
		"hardening.health.window":       {good: []string{"1s"}, bad: []string{"999ms", "0", "soon"}},
		"hardening.health.failureRate":  {good: []string{"0.1", "1"}, bad: []string{"0", "1.001", ".nan", "half"}},
		"hardening.health.minCalls":     {good: []string{"1", "256"}, bad: []string{"0", "257", "few"}},
		"hardening.health.degradedRate": {good: []string{"0.001", "0.5"}, bad: []string{"0", "0.501", ".nan", "some"}},
		"hardening.health.trials":       one,
	}
}

func monitorKeys() map[string]keyCase {
	count := keyCase{good: []string{"1", "100000"}, bad: []string{"0", "100001", "many"}}
	part := keyCase{good: []string{"0", "1"}, bad: []string{"-0.001", "1.001", ".nan", "most"}}
	notNegative := keyCase{good: []string{"0", "1ns"}, bad: []string{"-1ns", "soon"}}
	interval := keyCase{good: []string{"100ms"}, bad: []string{"99ms", "0", "soon"}}
	return map[string]keyCase{
		"systemHardening.healthMonitoring.enabled":                   truths,
		"systemHardening.healthMonitoring.checkInterval":             interval,
		"systemHardening.performanceMonitoring.enabled":              truths,
		"systemHardening.performanceMonitoring.checkInterval":        interval,
		"systemHardening.performanceMonitoring.history":              count,
		"systemHardening.performanceMonitoring.sustain":              count,
		"systemHardening.performanceMonitoring.maxCPU":               part,
		"systemHardening.performanceMonitoring.maxMemory":            part,
		"systemHardening.performanceMonitoring.maxLatency":           notNegative,
		"systemHardening.performanceMonitoring.maxSchedulingLatency": notNegative,
		"systemHardening.performanceMonitoring.horizon":              notNegative,
		"systemHardening.performanceMonitoring.maxGoroutines":        {good: []string{"0", "1"}, bad: []string{"-1", "many"}},
		"systemHardening.errorRecovery.enabled":                      truths,
		"systemHardening.errorRecovery.maxAttempts":                  {good: []string{"1"}, bad: []string{"0", "-1", "few"}},
		"systemHardening.errorRecovery.delay":                        {good: []string{"1ns", "30s"}, bad: []string{"0", "-1ns", "soon"}},
		"systemHardening.errorRecovery.maxDelay":                     {good: []string{"1s"}, bad: []string{"999ms", "0", "soon"}},
		"systemHardening.errorRecovery.timeout":                      {good: []string{"1s"}, bad: []string{"999ms", "0", "soon"}},
	}
}

func resourceKeys() map[string]keyCase {
	all := make(map[string]keyCase)
	for key, c := range map[string]keyCase{
		"enabled":         truths,
		"maxMemory":       {good: []string{"16MiB"}, bad: []string{"16777215", "-1", "lots"}},
		"reserve":         {good: []string{"0"}, bad: []string{"-1", "some"}},
		"queueLimit":      {good: []string{"1"}, bad: []string{"0", "-1", "long"}},
		"ageing":          positive,
		"weights":         {good: []string{"[]", "[a=1, 'b=0.5']"}, bad: []string{"[a]", "['=1']", "[a=0]", "[a=101]", "[a=1, a=2]", "[a=no]"}},
		"cleanupInterval": {good: []string{"1s"}, bad: []string{"999ms", "0", "soon"}},
		"dynamic":         {good: []string{"on", "off", "true", "'on'", "'false'"}, bad: []string{"maybe", "''", "[on, off]"}},
	} {
		all["systemHardening.resourceManagement."+key] = c
	}
	return all
}

func jobKeys() map[string]keyCase {
	return map[string]keyCase{
		"jobs.services":                   {good: []string{"[]", "[wav2vec2]"}, bad: []string{"[speech]", "[gama, '']"}},
		"jobs.spare":                      {good: []string{"1", "256"}, bad: []string{"0", "257", "some"}},
		"jobs.maxQueued":                  {good: []string{"1", "1000000"}, bad: []string{"0", "1000001", "many"}},
		"jobs.maxRedeliveries":            {good: []string{"0"}, bad: []string{"-1", "few"}},
		"jobs.claimTimeout":               {good: []string{"3s"}, bad: []string{"2999", "0", "soon"}},
		"jobs.retry.delay":                {good: []string{"1ns", "1m"}, bad: []string{"0", "-1ns", "soon"}},
		"jobs.retry.maxDelay":             {good: []string{"1s"}, bad: []string{"999ms", "soon"}},
		"jobs.retention.maxAge":           {good: []string{"1m"}, bad: []string{"59999", "0", "soon"}},
		"jobs.retention.maxBytes":         {good: []string{"1MiB"}, bad: []string{"1048575", "-1", "lots"}},
		"jobs.audio.ttl":                  {good: []string{"1m"}, bad: []string{"59999", "0", "soon"}},
		"jobs.audio.quota":                {good: []string{"1MiB"}, bad: []string{"1048575", "-1", "lots"}},
		"jobs.audio.pictures":             {good: []string{"0", "1MiB"}, bad: []string{"-1", "lots"}},
		"jobs.batches.window":             {good: []string{"1", "10000"}, bad: []string{"0", "10001", "some"}},
		"jobs.batches.maxItems":           {good: []string{"1", "1000000"}, bad: []string{"0", "1000001", "many"}},
		"jobs.batches.retention.maxAge":   {good: []string{"1m"}, bad: []string{"59999", "0", "soon"}},
		"jobs.batches.retention.maxBytes": {good: []string{"1MiB"}, bad: []string{"1048575", "-1", "lots"}},
		"jobs.webhooks.secret":            {good: []string{"''", strings.Repeat("s", 16)}, bad: []string{"x", strings.Repeat("s", 15)}},
		"jobs.webhooks.allowPrivate":      truths,
		"jobs.webhooks.timeout":           positive,
		"jobs.webhooks.maxAttempts":       {good: []string{"1", "100"}, bad: []string{"0", "101", "few"}},
	}
}

func pipelineKeys() map[string]keyCase {
	return map[string]keyCase{
		"pipelines.maxRuns": {good: []string{"1", "10000"}, bad: []string{"0", "10001", "many"}},
		"pipelines.shipped": truths,
		"pipelines.definitions": {
			good: []string{"{}", "{a: {steps: [{id: x, task: edit}]}}", `'{"a":{"steps":[{"id":"x","task":"edit"}]}}'`},
			bad:  []string{"[a, b]", "{a: {}}", "{a: {steps: [{id: x}]}}", "{a: {steps: [{id: x, task: edit, by: y}]}}", "'{'"},
		},
	}
}

func storeKeys() map[string]keyCase {
	shared := map[string]string{"jobs.url": "'nats://a:4222'"}
	return map[string]keyCase{
		"jobs.url":             {good: []string{"''", "'nats://a:4222,nats://b:4222'"}, bad: []string{"'nats://%zz'", "[1, 2]"}},
		"jobs.credentials":     texts,
		"jobs.tls.ca":          texts,
		"jobs.tls.certificate": {good: []string{"x"}, bad: []string{"''", "[a, b]"}, with: map[string]string{"jobs.tls.key": "x"}},
		"jobs.tls.key":         {good: []string{"x"}, bad: []string{"''", "[a, b]"}, with: map[string]string{"jobs.tls.certificate": "x"}},
		"jobs.replicas":        {good: []string{"1", "3", "5"}, bad: []string{"0", "2", "4", "6", "-1", "all"}, with: shared},
		"jobs.bucket": {
			good: []string{"a", strings.Repeat("b", 32), "a-B_9"},
			bad:  []string{"''", strings.Repeat("b", 33), "a.b", "'a b'"},
		},
		"jobs.dir":          texts,
		"jobs.syncInterval": {good: []string{"0", "10m"}, bad: []string{"-1ns", "600001", "soon"}},
		"jobs.maxBytes":     {good: []string{"16MiB"}, bad: []string{"16777215", "-1", "lots"}},
		"jobs.reserve":      {good: []string{"0"}, bad: []string{"-1", "some"}},
	}
}

// namedBy maps keys to those that an error names instead, because the two are validated
// together.
var namedBy = map[string]string{"jobs.tls.certificate": "jobs.tls", "jobs.tls.key": "jobs.tls"}

// withKeys returns YAML that sets keys to values.
func withKeys(values map[string]string) string {
	type section map[string]any
	root := section{}
	for key, value := range values {
		at, path := root, strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = section{}
			}
			at, _ = at[name].(section)
		}
		at[path[len(path)-1]] = value
	}
	var write func(s section, indent string) string
	write = func(s section, indent string) (text string) {
		for _, name := range slices.Sorted(maps.Keys(s)) {
			if inner, ok := s[name].(section); ok {
				text += fmt.Sprintf("%s%s:\n%s", indent, name, write(inner, indent+"  "))
			} else {
				text += fmt.Sprintf("%s%s: %v\n", indent, name, s[name])
			}
		}
		return text
	}
	return write(root, "")
}

func TestEachKeyRefusesWhatIsBeyondItsLimits(t *testing.T) {
	t.Parallel()
	for key, c := range keyCases() {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			load := func(value string) error {
				values := map[string]string{key: value}
				maps.Copy(values, c.with)
				_, err := Load(Source{File: yamlFile(t, withKeys(values))})
				return err
			}
			require.NotEmpty(t, c.good)
			require.NotEmpty(t, c.bad)
			for _, value := range c.good {
				require.NoError(t, load(value), value)
			}
			for _, value := range c.bad {
				err := load(value)
				require.Error(t, err, value)
				if !names(err, key) && !names(err, namedBy[key]) {
					t.Errorf("the error for %s: %s must name the key:\n%v", key, value, err)
				}
			}
		})
	}
}

// names reports whether a line of an error is about a key.
func names(err error, key string) bool {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "settings.yaml: ")
		// Keys below a map are those in the file.
		if key != "" && (strings.HasPrefix(line, key+":") || strings.HasPrefix(line, key+".") || strings.HasPrefix(line, "'"+key+"'") ||
			strings.HasPrefix(line, "'"+key+"[")) {
			return true
		}
	}
	return false
}

// TestEveryKeyHasACase compares the cases with the existing keys.
func TestEveryKeyHasACase(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{File: "../../config.yaml"})
	require.NoError(t, err)
	require.ElementsMatch(t, slices.Collect(maps.Keys(l.origins)), slices.Collect(maps.Keys(keyCases())))
}

func TestSettingsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"api: {hosts: [audio.example]}\nauth: {mode: 'off'}":      "auth.mode: must not be off if api.hosts or api.trustedProxies is set",
		"api: {trustedProxies: [127.0.0.1]}\nauth: {mode: 'off'}": "auth.mode: must not be off if api.hosts or api.trustedProxies is set",
		"api: {trustedProxies: [127.0.0.1]}\nauth: {mode: auto}":  "",
		"auth: {mode: 'off'}":                                 "",
		"jobs: {replicas: 3}":                                 "jobs.replicas: must be 1 without jobs.url, got 3",
		"jobs: {replicas: 3, url: 'nats://a:4222'}":           "",
		"jobs: {tls: {certificate: x}}":                       "jobs.tls: certificate and key belong together",
		"jobs: {tls: {key: x}}":                               "jobs.tls: certificate and key belong together",
		"audio: {maxSampleRate: 16000, minSampleRate: 16001}": "audio.maxSampleRate: must be minSampleRate (16001) to 192000, got 16000",
	} {
		_, err := Load(Source{File: yamlFile(t, text)})
		if says == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, says, text)
		}
	}
	_, err := Load(Source{File: yamlFile(t, "dataDir: ''\nauth: {mode: x}\njobs: {spare: 0, webhooks: {maxAttempts: 0}}\nservices: {gama: "+
		"{runs: -1}}")})
	for _, key := range []string{"dataDir", "auth.mode", "jobs.spare", "jobs.webhooks.maxAttempts", "services.gama.runs"} {
		require.True(t, names(err, key), "every bad value is named, also %s:\n%v", key, err)
	}
}
