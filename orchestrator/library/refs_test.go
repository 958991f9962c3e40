package library_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestOwnersSeeTheirOwnNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		require.Equal(t, services.KindUnavailable, kindOf(s.List(t.Context(), mine, 10, "")))
		s.start(t)
		defer s.stop(t)
		put := func(content, name, owner string) {
			t.Helper()
			time.Sleep(time.Second)
			in, err := s.Receive(t.Context(), strings.NewReader(content), library.About{Name: name, ContentType: "audio/wav"})
			require.NoError(t, err)
			_, _, err = s.Save(t.Context(), in, owner)
			require.NoError(t, err)
		}
		put("one", `C:\music\one.wav`, "key-1")
		put("two", "two\x00\n.wav", "key-1")
		put("two", strings.Repeat("ä", 200), "key/2*>")
		put("one", "", "")
		put("one", "", "key-1") // no name does not take one away
		put("two", "renamed.wav", "key-1")
		list := func(owner string, limit int, cursor string) (names []string, next string) {
			t.Helper()
			page, err := s.List(t.Context(), services.Caller{Key: owner}, limit, cursor)
			require.NoError(t, err)
			for _, one := range page.Data {
				names = append(names, fmt.Sprintf("%s %d", one.Name, one.Bytes))
			}
			return names, page.Next
		}
		names, next := list("key-1", 1, "")
		require.Equal(t, []string{"renamed.wav 3"}, names)
		names, next = list("key-1", 1, next)
		require.Equal(t, []string{"one.wav 3"}, names)
		require.Empty(t, next)
		names, _ = list("key/2*>", 5, "")
		require.Equal(t, []string{strings.Repeat("ä", 127) + " 3"}, names)
		names, _ = list("", 5, "")
		require.Equal(t, []string{" 3"}, names)
		names, _ = list("_", 5, "")
		require.Empty(t, names)
		require.Equal(t, services.KindInvalid, kindOf(s.List(t.Context(), mine, 1, "!")))
	})
}

func TestRecordingsOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const sound = "RIFF\x00\x00\x00\x00WAVEfmt "
		store := recordstest.NewMemory()
		write := func(id string, fields map[string]any) string {
			id = strings.Repeat(id, 64)
			raw, err := json.Marshal(fields)
			require.NoError(t, err)
			_, err = store.Create(t.Context(), "audio."+id, raw)
			require.NoError(t, err)
			require.NoError(t, records.PutObject(t.Context(), store, "audio-"+id, strings.NewReader(sound)))
			return id
		}
		now := time.Now().UTC()
		job := write("a", map[string]any{"id": "x", "bytes": len(sound), "content_type": "audio/wav", "created": now, "used": now})
		own := write("b", map[string]any{"id": "y", "bytes": len(sound), "created": now, "used": now})
		conversation := write("c", map[string]any{"id": "z", "bytes": len(sound), "created": now, "used": now, "conversational": true})
		lonely := write("d", map[string]any{"id": "w", "bytes": len(sound), "created": now, "used": now, "conversational": true})
		s := over(store)
		s.need(conversation, "conversation x")
		s.OnUses(func(found func(library.Ref)) {
			found(library.Ref{Owner: "key-1", AudioID: job, Created: now})
			found(library.Ref{Owner: "key-2", AudioID: job, Created: now})
			found(library.Ref{Owner: "key-1", AudioID: "gone"})
			found(library.Ref{Owner: "key-1", AudioID: conversation, Created: now, Conversational: true})
		})
		s.start(t)
		defer s.stop(t)
		for owner, sees := range map[string][]string{"key-1": {job, conversation}, "key-2": {job}, "": {own}, "key-3": nil} {
			for _, id := range []string{job, own, conversation, lonely} {
				file, recording, err := s.Open(t.Context(), services.Caller{Key: owner}, id)
				if !slices.Contains(sees, id) {
					require.Equal(t, services.KindNotFound, services.KindOf(err), "%q %s", owner, id)
					continue
				}
				require.NoError(t, err)
				content, err := io.ReadAll(file)
				require.NoError(t, err)
				require.Equal(t, sound, string(content))
				require.True(t, now.Equal(recording.Created))
				require.Equal(t, "audio/wav", recording.ContentType, "by its content")
			}
		}
		_, err := s.db.Upgrade(t.Context())
		require.NoError(t, err)
		n, err := s.Adopt(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "once")
		for owner, want := range map[string]string{"key-1": job, "key-2": job, "": own} {
			require.Equal(t, []string{want}, s.listed(t, services.Caller{Key: owner}), owner)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []string{job, own, conversation}, s.objects(t), "all but what nobody needs")
	})
}
