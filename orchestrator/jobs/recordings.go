package jobs

import (
	"bytes"
	"encoding/json"
	"slices"
)

// recordingsIn returns the ids of stored recordings in the parameters of a task: the
// strings in fields called audio_id, at any depth, each once.
func recordingsIn(params json.RawMessage) (ids []string) {
	if !bytes.Contains(params, []byte(`"audio_id"`)) {
		return nil
	}
	var value any
	if json.Unmarshal(params, &value) != nil {
		return nil // which the service refuses
	}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, one := range value {
				walk(one)
			}
		case map[string]any:
			for name, one := range value {
				if id, ok := one.(string); ok && name == "audio_id" && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
				walk(one)
			}
		}
	}
	walk(value)
	return ids
}
