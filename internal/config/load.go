package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// maxFileBytes limits the configuration file.
const maxFileBytes = 1 << 20

// Source is where settings come from, besides the defaults.
type Source struct {
	// File is a YAML file; empty for none.
	File string
	// Environ lists variables as "NAME=value", as os.Environ does.
	Environ []string
	// Flags are the values of command-line flags, by key.
	Flags map[string]string
	// Reference is config.yaml, whose comments describe the settings; nil for none.
	Reference []byte

	// file is the earlier content of File, nil to read it now; live are the values changed
	// while the server ran, by key.
	file *koanf.Koanf
	live map[string]any
}

// Names of environment variables that are not derived from a key.
const (
	envPrefix    = "GRYM_"
	envTestdata  = "GRYM_TESTDATA" // where the tests find reference files
	envLibrary   = "ONNXRUNTIME_SHARED_LIBRARY_PATH"
	keyLibrary   = "onnx.libraryPath"
	originNormal = "default"
)

// Loaded is a configuration with the origin of each setting.
type Loaded struct {
	Config
	values *koanf.Koanf
	// origins are the origins by key: "default", or the name of a file, variable or flag.
	origins map[string]string
	// file is the content of the file; nil if there is none.
	file *koanf.Koanf
}

// Load reads and validates the configuration. The error joins all problems, each with its
// key and its origin.
func Load(source Source) (*Loaded, error) {
	l := &Loaded{values: koanf.New("."), origins: make(map[string]string)}
	must(l.values.Load(confmap.Provider(defaultValues(), "."), nil))
	for _, key := range l.values.Keys() {
		l.origins[key] = originNormal
	}
	known := slices.Concat(l.values.Keys(), keysOf(inherited), keysOf(replaced))
	for _, layer := range []func(Source, []string) (*layer, error){fileLayer, libraryLayer, envLayer, flagLayer, liveLayer} {
		set, err := layer(source, known)
		if err == nil && set.values != nil && l.file == nil {
			l.file = set.values.Copy() // the first layer is the file
		}
		if err == nil {
			err = l.apply(set, known)
		}
		if err != nil {
			return nil, err
		}
	}
	for key, from := range inherited {
		if !l.values.Exists(key) {
			l.origins[key] = from
			must(l.values.Set(key, l.values.Get(from)))
		}
	}
	if err := l.decode(); err != nil {
		return nil, err
	}
	if errs := l.validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return l, nil
}

// defaultValues returns the defaults by key, without inherited and replaced keys.
func defaultValues() map[string]any {
	values := encode(Default()).All()
	for _, key := range append(keysOf(inherited), keysOf(replaced)...) {
		delete(values, key)
	}
	return values
}

// layer has the settings of one source.
type layer struct {
	values *koanf.Koanf
	// origin returns the origin of a key for messages.
	origin func(key string) string
}

func fileLayer(source Source, _ []string) (*layer, error) {
	k := koanf.New(".")
	name := filepath.Base(source.File)
	if source.file != nil {
		k = source.file.Copy()
	} else if source.File != "" {
		data, err := regular.Read(source.File, maxFileBytes)
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		values, err := yaml.Parser().Unmarshal(data)
		if err == nil {
			err = k.Load(confmap.Provider(values, ""), nil)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.File, err)
		}
	}
	return &layer{k, func(string) string { return name }}, nil
}

// libraryLayer reads the variable that other programs with ONNX Runtime use too.
func libraryLayer(source Source, _ []string) (*layer, error) {
	k := koanf.New(".")
	for _, entry := range source.Environ {
		if name, path, _ := strings.Cut(entry, "="); name == envLibrary && path != "" {
			must(k.Set(keyLibrary, path))
		}
	}
	return &layer{k, func(string) string { return envLibrary }}, nil
}

// envLayer maps GRYM_API__LISTEN to api.listen: two underscores separate levels; case and
// single underscores within a level are ignored.
func envLayer(source Source, known []string) (*layer, error) {
	byFolded := make(map[string]string, len(known))
	for _, key := range known {
		byFolded[strings.ToLower(key)] = key
	}
	names := make(map[string]string)
	var unknown []error
	k := koanf.New(".")
	provider := env.Provider(".", env.Opt{
		EnvironFunc: func() []string { return source.Environ },
		TransformFunc: func(name, value string) (string, any) {
			if !strings.HasPrefix(name, envPrefix) || slices.Contains(notSettings, name) {
				return "", nil
			}
			folded := strings.ToLower(strings.TrimPrefix(name, envPrefix))
			folded = strings.ReplaceAll(strings.ReplaceAll(folded, "__", "."), "_", "")
			key, ok := byFolded[folded]
			if !ok {
				nearest := strings.ToUpper(strings.ReplaceAll(nearest(folded, known), ".", "__"))
				unknown = append(unknown, fmt.Errorf("%s: not a setting; did you mean %s%s?", name, envPrefix, nearest))
				return "", nil
			}
			names[key] = name
			return key, value
		},
	})
	must(k.Load(provider, nil))
	return &layer{k, func(key string) string { return names[key] }}, errors.Join(unknown...)
}

func flagLayer(source Source, _ []string) (*layer, error) {
	k := koanf.New(".")
	for key, value := range source.Flags {
		must(k.Set(key, value))
	}
	return &layer{k, func(key string) string { return "--" + flagNames[key] }}, nil
}

// liveOrigin is the origin of a setting changed while the server ran.
const liveOrigin = "changed live"

func liveLayer(source Source, _ []string) (*layer, error) {
	k := koanf.New(".")
	must(k.Load(confmap.Provider(source.live, "."), nil))
	return &layer{k, func(string) string { return liveOrigin }}, nil
}

// flagNames are the names of the flags, by key.
var flagNames = map[string]string{"api.listen": "listen", "dataDir": "data-dir"}

// apply puts a layer over the earlier ones. Unknown keys are errors.
func (l *Loaded) apply(set *layer, known []string) error {
	if err := translateAliases(set.values); err != nil {
		return fmt.Errorf("%s: %w", set.origin(""), err)
	}
	if err := takeDefinitions(set.values); err != nil {
		return fmt.Errorf("%s: %w", set.origin(keyDefinitions), err)
	}
	if err := l.joinAliases(set); err != nil {
		return fmt.Errorf("%s: %w", set.origin(keyAliases), err)
	}
	var errs []error
	for _, key := range set.values.Keys() {
		if set.values.Get(key) == nil {
			// An empty section.
			set.values.Delete(key)
			continue
		}
		if !slices.Contains(known, key) {
			errs = append(errs, fmt.Errorf("%s: %s: not a setting; did you mean %s?", set.origin(key), key, nearest(key, known)))
			continue
		}
		l.origins[key] = set.origin(key)
	}
	if err := errors.Join(errs...); err != nil || len(set.values.Keys()) == 0 {
		return err
	}
	return l.values.Merge(set.values)
}

// nearest returns the known key with the smallest edit distance.
func nearest(key string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.Distance(strings.ToLower(key), strings.ToLower(a), nil) -
			levenshtein.Distance(strings.ToLower(key), strings.ToLower(b), nil)
	})
}

func keysOf(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// Environ returns the process's environment. It is here because no other package reads it.
func Environ() []string { return os.Environ() }
