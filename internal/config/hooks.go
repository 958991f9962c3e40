package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// durationHook parses a duration with a unit, or a number of milliseconds.
func durationHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return value, nil
	}
	switch v := value.(type) {
	case string:
		if ms, err := strconv.ParseFloat(v, 64); err == nil {
			return time.Duration(ms * float64(time.Millisecond)), nil
		}
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, fmt.Errorf("must be a duration such as 30s, or a number of milliseconds, got %q", v)
		}
		return d, nil
	case int:
		return time.Duration(v) * time.Millisecond, nil
	case float64:
		return time.Duration(v * float64(time.Millisecond)), nil
	}
	return nil, fmt.Errorf("must be a duration such as 30s, or a number of milliseconds, got %v", value)
}

// bytesHook parses an amount of memory: KB, MB, GB are powers of 1000, KiB, MiB, GiB of
// 1024, and a plain number is bytes.
func bytesHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[services.Bytes]() || from == to {
		return value, nil
	}
	switch v := value.(type) {
	case string:
		n, err := humanize.ParseBytes(v)
		if err != nil || n > 1<<62 {
			return nil, fmt.Errorf("must be an amount of memory such as 4GB or 512MiB, got %q", v)
		}
		return services.Bytes(n), nil
	case int:
		return services.Bytes(v), nil
	}
	return nil, fmt.Errorf("must be an amount of memory such as 4GB or 512MiB, got %v", value)
}

// switchHook parses on or off; true and false mean the same.
func switchHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[resources.Switch]() || from == to {
		return value, nil
	}
	switch value {
	case true, "true":
		return resources.On, nil
	case false, "false":
		return resources.Off, nil
	}
	return value, nil
}

// listHook parses a comma-separated list in a variable.
func listHook(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return value, nil
	}
	list := []string{}
	for item := range strings.SplitSeq(value.(string), ",") { //nolint:forcetypeassert // its kind was checked
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}
