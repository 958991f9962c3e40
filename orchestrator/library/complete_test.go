package library_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/stretchr/testify/require"
)

// complete returns the recordings whose content is stored. It fails if there is a ref without
// content, or content without bytes.
func complete(t *testing.T, s *shelf) (stored []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.store.Watch(ctx, func(change records.Change) {
		kind, id, _ := strings.Cut(change.Key, ".")
		switch {
		case change.CaughtUp:
			cancel()
		case kind == "ref":
			_, _, err := s.store.Read(t.Context(), "audio."+id[strings.LastIndexByte(id, '.')+1:])
			require.NoError(t, err, "the content of %s", id)
		case kind == "audio":
			var content struct{ Body struct{ Object string } }
			require.NoError(t, json.Unmarshal(change.Value, &content))
			_, err := s.store.Object(t.Context(), content.Body.Object)
			require.NoError(t, err, "the bytes of %s", id)
			stored = append(stored, id)
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	return stored
}

// refKey returns an owner as part of a key.
func refKey(owner string) string {
	if strings.Contains(owner, "/") {
		return "_" + hex.EncodeToString([]byte(owner))
	}
	return owner
}
