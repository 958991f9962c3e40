package config

import (
	"encoding/json"
	"fmt"

	"github.com/knadh/koanf/v2"
)

// keyDefinitions is a setting whose keys are names chosen by the operator. It is a single
// value, JSON, that a file can also write as YAML.
const keyDefinitions = "pipelines.definitions"

// takeDefinitions makes the pipelines of a layer a single value.
func takeDefinitions(k *koanf.Koanf) error {
	switch value := k.Get(keyDefinitions).(type) {
	case nil, string:
		return nil
	case map[string]any:
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("%s: cannot be read: %w", keyDefinitions, err)
		}
		k.Delete(keyDefinitions)
		return k.Set(keyDefinitions, string(text))
	default:
		return fmt.Errorf("%s: must have a definition for each name, got %v", keyDefinitions, value)
	}
}
