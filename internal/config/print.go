package config

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/go-viper/mapstructure/v2"

	"github.com/grym-synth/grym-synth/services"
)

// WriteYAML prints every setting in force, in the form that a file has.
func (l *Loaded) WriteYAML(w io.Writer) error {
	k, err := l.plain()
	if err != nil {
		return err
	}
	text, err := k.Marshal(yaml.Parser())
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// WriteOrigins prints a line for each setting: key, value, and where it is from.
func (l *Loaded) WriteOrigins(w io.Writer) error {
	k, err := l.plain()
	if err != nil {
		return err
	}
	keys := k.Keys()
	slices.Sort(keys)
	for _, key := range keys {
		if _, err := fmt.Fprintf(w, "%s: %v  # %s\n", key, k.Get(key), l.origins[key]); err != nil {
			return err
		}
	}
	return nil
}

// plain gives the typed configuration as strings, numbers and lists, so that
// what is printed is what is in force, not what was written.
func (l *Loaded) plain() (*koanf.Koanf, error) {
	values := make(map[string]any)
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{TagName: "koanf", Result: &values})
	if err != nil {
		return nil, err
	}
	if err := decoder.Decode(l.Config); err != nil {
		return nil, err
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(values, "."), nil); err != nil {
		return nil, err
	}
	for _, key := range k.Keys() {
		switch v := k.Get(key).(type) {
		case services.Bytes:
			err = k.Set(key, formatBytes(v))
		case time.Duration:
			err = k.Set(key, formatDuration(v))
		case slog.Level:
			err = k.Set(key, formatLevel(v))
		}
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}

// formatBytes uses the largest unit that divides the amount.
func formatBytes(b services.Bytes) any {
	for _, unit := range []struct {
		size services.Bytes
		name string
	}{{1e9, "GB"}, {services.GiB, "GiB"}, {services.MiB, "MiB"}, {1e6, "MB"}, {services.KiB, "KiB"}, {1e3, "KB"}} {
		if b >= unit.size && b%unit.size == 0 {
			return strconv.FormatInt(int64(b/unit.size), 10) + unit.name
		}
	}
	return int64(b)
}

// formatDuration drops the zero units that time.Duration prints, as in 10m0s.
func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

func formatLevel(level slog.Level) string {
	switch level {
	case slog.LevelDebug:
		return "debug"
	case slog.LevelInfo:
		return "info"
	case slog.LevelWarn:
		return "warn"
	case slog.LevelError:
		return "error"
	}
	return level.String()
}
