package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/services/module"
)

// Services has a section for each service.
type Services struct {
	// ModelService has the limits of every service with models, unless its own section sets
	// them.
	ModelService module.Limits `koanf:"modelService"`
	// sections are the sections by service, each of its module's type.
	sections map[string]module.Section
}

// Section returns the settings of a service.
func (s Services) Section(name string) module.Section { return s.sections[name] }

// defaultServices returns the defaults. The limits of services with models are empty.
func defaultServices() Services {
	s := Services{ModelService: module.DefaultLimits(true), sections: make(map[string]module.Section)}
	for _, m := range modules.All() {
		s.sections[m.Name] = m.Defaults()
	}
	return s
}

// sectionKey returns the key of a service's section.
func sectionKey(service string) string { return "services." + service }

// inherited are the keys that default to the value of another key.
var inherited = func() map[string]string {
	keys := make(map[string]string)
	for _, m := range modules.All() {
		if !m.HasModels {
			continue
		}
		for _, setting := range []string{".maxMemory", ".recoverable", ".keepAlive"} {
			keys[sectionKey(m.Name)+setting] = sectionKey("modelService") + setting
		}
	}
	return keys
}()

// replaced are keys that another key has replaced. They are accepted with a warning, and
// neither in the defaults nor printed unless they are set.
var replaced = func() map[string]string {
	keys := make(map[string]string)
	for _, m := range modules.All() {
		for setting, by := range m.Replaced {
			keys[sectionKey(m.Name)+"."+setting] = by
		}
	}
	return keys
}()

// Warnings returns a sentence for each setting that another one has replaced.
func (l *Loaded) Warnings() []string {
	var list []string
	for key, by := range replaced {
		if origin := l.origins[key]; origin != "" {
			service := strings.Split(key, ".")[1]
			list = append(list, fmt.Sprintf("%s: %s is replaced by %s, which limits every task; it still lowers the limit for %s", origin, key, by,
				service))
		}
	}
	slices.Sort(list)
	return list
}

// encode returns a configuration as nested maps.
func encode(cfg Config) *koanf.Koanf {
	k := koanf.New(".")
	load(k, "", cfg)
	for name, section := range cfg.Services.sections {
		load(k, sectionKey(name), section)
	}
	return k
}

// load loads the fields of a struct below a key.
func load(k *koanf.Koanf, key string, from any) {
	values := make(map[string]any)
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{TagName: "koanf", Result: &values})
	must(err)
	must(decoder.Decode(from))
	below := koanf.New(".")
	must(below.Load(confmap.Provider(values, "."), nil))
	if key == "" {
		must(k.Merge(below))
	} else {
		must(k.MergeAt(below, key))
	}
}

// must panics for errors that only a wrong type of a setting in this program could cause.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("config: %v", err))
	}
}

// decode converts the values to the typed configuration. Each error has its key.
func (l *Loaded) decode() error {
	l.Services = defaultServices()
	rest := l.values.Copy()
	var errs []error
	for _, name := range modules.Names() {
		rest.Delete(sectionKey(name))
		errs = append(errs, decodeInto(l.Services.sections[name], sectionKey(name), l.values.Cut(sectionKey(name))))
	}
	return errors.Join(append([]error{decodeInto(&l.Config, "", rest)}, errs...)...)
}

// decodeInto decodes values into a pointer to a struct. In errors, keys begin with that of
// the section.
func decodeInto(target any, key string, values *koanf.Koanf) error {
	err := values.UnmarshalWithConf("", target, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", RootName: key, Result: target, WeaklyTypedInput: true, ErrorUnused: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(durationHook, bytesHook, mapstructure.TextUnmarshallerHookFunc(), switchHook, listHook),
	}})
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}
