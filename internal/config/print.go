package config

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"

	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// WriteYAML prints every setting in force, in the format of the configuration file.
func (l *Loaded) WriteYAML(w io.Writer) error {
	text, err := l.plain().Marshal(yaml.Parser())
	must(err)
	_, err = w.Write(text)
	return err
}

// WriteOrigins prints a line with key, value and origin for each setting.
func (l *Loaded) WriteOrigins(w io.Writer) error {
	k := l.plain()
	keys := k.Keys()
	slices.Sort(keys)
	for _, key := range keys {
		value := k.Get(key)
		if aliases, ok := value.(map[string]string); ok {
			value = pairs(aliases)
		}
		if _, err := fmt.Fprintf(w, "%s: %v  # %s\n", key, value, l.origins[key]); err != nil {
			return err
		}
	}
	return nil
}

// typed returns the typed configuration as nested maps.
func (l *Loaded) typed() *koanf.Koanf { return encode(l.Config) }

// plain returns the typed configuration as strings, numbers and lists, so that the values
// in force are printed, not those as written. Secrets are masked.
func (l *Loaded) plain() *koanf.Koanf {
	k := l.typed()
	for key := range replaced {
		if l.origins[key] == "" {
			k.Delete(key)
		}
	}
	for _, key := range k.Keys() {
		var shown any
		switch v := k.Get(key).(type) {
		case services.Bytes:
			shown = formatBytes(v)
		case time.Duration:
			shown = formatDuration(v)
		case resources.Switch:
			shown = string(v)
		case slog.Level:
			shown = formatLevel(v)
		default:
			shown = mask(key, v)
		}
		must(k.Set(key, shown))
	}
	return k
}

// masked replaces a secret.
const masked = "********"

// secretKey matches the keys of secrets by their last name.
var secretKey = regexp.MustCompile(`(?i)(password|passphrase|secret|token|credentials?|apiKey|privateKey|headers)$`)

// mask replaces secrets: the values of secret settings, and the user and password in a URL.
func mask(key string, value any) any {
	switch v := value.(type) {
	case string:
		if v != "" && secretKey.MatchString(key) {
			return masked
		}
		return maskAddresses(v)
	case []string:
		shown := make([]string, 0, len(v))
		for _, item := range v {
			shown = append(shown, fmt.Sprint(mask(key, item)))
		}
		return shown
	}
	return value
}

// maskAddresses masks what precedes the @ of each address in a comma-separated list.
func maskAddresses(text string) string {
	parts := strings.Split(text, ",")
	for i, part := range parts {
		scheme, rest, ok := strings.Cut(part, "://")
		authority, _, _ := strings.Cut(rest, "/")
		if at := strings.LastIndex(authority, "@"); ok && at >= 0 {
			parts[i] = scheme + "://" + masked + rest[at:]
		}
	}
	return strings.Join(parts, ",")
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

// formatDuration omits the zero units that time.Duration prints, as in 10m0s.
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
