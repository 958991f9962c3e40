package config

import (
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/grym-synth/grym-synth/services"
)

// liveKeys can change while the server runs; a star matches one name.
var liveKeys = []string{
	"log.level",
	keyAliases,
	"models.defaults.*",
	"readiness.required",
	"services.*.maxMemory",
	"services.*.keepAlive",
	"systemHardening.resourceManagement.maxMemory",
	"systemHardening.resourceManagement.reserve",
	"systemHardening.resourceManagement.queueLimit",
	"systemHardening.resourceManagement.ageing",
	"systemHardening.resourceManagement.dynamic",
	"systemHardening.performanceMonitoring.*",
}

// fixed has the reasons why other settings cannot change live, by the prefix of the key.
var fixed = []struct{ prefix, reason string }{
	{"dataDir", "the folder is locked when the server starts"},
	{"api.", "the listener is opened when the server starts"},
	{"console.", "the routes are set up when the server starts"},
	{"auth.", "access control is set up when the server starts"},
	{"log.format", "the log is opened when the server starts"},
	{"onnx.", "the library is loaded when the server starts"},
	{"tracing.", "the tracer is created when the server starts"},
	{"hardening.", "the guards are created when the server starts"},
	{"", "it is read when the server starts"},
}

func mayChange(key string) bool {
	key = strings.ReplaceAll(key, ".", "/")
	return slices.ContainsFunc(liveKeys, func(pattern string) bool {
		ok, _ := path.Match(strings.ReplaceAll(pattern, ".", "/"), key)
		return ok
	})
}

// Live is the configuration of a running server. It is safe for concurrent use.
type Live struct {
	apply func(*Loaded)

	mu     sync.Mutex
	source Source
	loaded *Loaded
}

// NewLive returns the configuration that was loaded from a source. apply puts a changed
// configuration in force; calls are serialized.
func NewLive(source Source, loaded *Loaded, apply func(*Loaded)) *Live {
	source.file, source.live = loaded.file, map[string]any{}
	return &Live{source: source, loaded: loaded, apply: apply}
}

// View returns every setting in force as nested maps, with secrets masked, and the keys
// that can change live.
func (l *Live) View() (settings map[string]any, live []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.loaded.plain()
	for _, key := range k.Keys() {
		if mayChange(key) {
			live = append(live, key)
		}
	}
	slices.Sort(live)
	return k.Raw(), live, nil
}

// Patch applies a JSON merge patch (RFC 7396); null reverts an earlier change. If any value
// is invalid or cannot change live, it changes nothing and returns a fault with every
// reason. It returns the keys whose values changed.
func (l *Live) Patch(patch map[string]any) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.source
	live, err := l.merge(patch)
	if err != nil {
		return nil, err
	}
	next.live = live
	return l.load(next)
}

// Reload reads the file again; earlier patches stay in force. If any value is invalid or
// cannot change live, nothing changes.
func (l *Live) Reload() ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.source
	next.file = nil
	return l.load(next)
}

// merge adds a patch to the earlier ones. The caller holds mu.
func (l *Live) merge(patch map[string]any) (map[string]any, error) {
	k, current, shown := koanf.New("."), koanf.New("."), l.loaded.plain()
	must(k.Load(confmap.Provider(patch, ""), nil))
	must(current.Load(confmap.Provider(l.source.live, "."), nil))
	err := translateAliases(k)
	if err == nil {
		err = mergeAliases(k, current, shown)
	}
	if err != nil {
		return nil, &services.Fault{Kind: services.KindInvalid, Message: err.Error()}
	}
	fault := &services.Fault{Kind: services.KindInvalid}
	for _, key := range k.Keys() {
		value := k.Get(key)
		switch {
		case !shown.Exists(key):
			fault.Fields = append(fault.Fields, services.FieldError{
				Field: key, Problem: "is not a setting; did you mean " + nearest(key, shown.Keys()) + "?",
			})
		case isEmpty(value):
		case value == nil:
			current.Delete(key)
		case isSection(shown.Get(key)) != isSection(value):
			fault.Fields = append(fault.Fields, services.FieldError{
				Field: key, Problem: "is a section but must be a value, or is a value but must be a section",
			})
		case !reflect.DeepEqual(shown.Get(key), value): // a masked secret that is sent back is unchanged
			must(current.Set(key, value))
		}
	}
	if len(fault.Fields) > 0 {
		return nil, fault
	}
	return current.All(), nil
}

func isSection(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}

// isEmpty reports whether a value is an empty section.
func isEmpty(value any) bool {
	section, ok := value.(map[string]any)
	return ok && len(section) == 0
}

// load loads a source and puts it in force if only live settings differ. The caller holds
// mu.
func (l *Live) load(source Source) ([]string, error) {
	next, err := Load(source)
	if err != nil {
		return nil, refusal(err)
	}
	changed := l.differences(next)
	fault := &services.Fault{Kind: services.KindInvalid}
	for _, key := range changed {
		if mayChange(key) {
			continue
		}
		i := slices.IndexFunc(fixed, func(f struct{ prefix, reason string }) bool { return strings.HasPrefix(key, f.prefix) })
		fault.Fields = append(fault.Fields, services.FieldError{Field: key, Problem: "cannot change while the server runs: " + fixed[i].reason})
	}
	if len(fault.Fields) > 0 {
		return nil, fault
	}
	source.file = next.file
	l.source, l.loaded = source, next
	if len(changed) > 0 {
		l.apply(next)
	}
	return changed, nil
}

// differences returns the keys whose values differ; secrets are compared unmasked.
func (l *Live) differences(next *Loaded) []string {
	before, after := l.loaded.typed(), next.typed()
	var keys []string
	for _, key := range after.Keys() {
		if !reflect.DeepEqual(before.Get(key), after.Get(key)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// refusal converts an error of Load to a fault that names each field.
func refusal(err error) error {
	fault := &services.Fault{Kind: services.KindInvalid, Err: err}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), liveOrigin+": ")
		if line == "" || strings.HasPrefix(line, "configuration: decoding failed") {
			continue
		}
		field, problem, ok := strings.Cut(line, ": ")
		if !ok || strings.Contains(field, " ") {
			// mapstructure quotes the key: 'log.level' cannot ...
			field, problem, ok = strings.Cut(strings.TrimPrefix(line, "'"), "' ")
		}
		if !ok {
			field, problem = "configuration", line
		}
		fault.Fields = append(fault.Fields, services.FieldError{Field: field, Problem: problem})
	}
	return fault
}
