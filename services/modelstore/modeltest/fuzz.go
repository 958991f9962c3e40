package modeltest

import (
	"maps"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore"
)

// mostAllocated is the maximum total memory that reading one small folder may allocate.
const mostAllocated = 256 << 20

// Fuzz calls read with a folder in which one of the named files has arbitrary content.
// The seeds are the original files, the given seeds, and the small hostile files.
func Fuzz(f *testing.F, base string, files fstest.MapFS, names []string, seeds map[string][]byte,
	read func(t *testing.T, folder modelstore.Folder),
) {
	f.Helper()
	for i, name := range names {
		if file := files["m/"+name]; file != nil {
			f.Add(i, file.Data)
		}
		f.Add(i, seeds[name])
	}
	for _, h := range Of(base) {
		for i, name := range names {
			var original []byte
			if file := files["m/"+name]; file != nil {
				original = file.Data
			}
			if name != h.File {
				continue
			}
			if data := h.Content(original); len(data) < 1<<14 {
				f.Add(i, data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		if which < 0 || which >= len(names) {
			return
		}
		changed := maps.Clone(files)
		changed["m/"+names[which]] = &fstest.MapFile{Data: data}
		catalog := modelstore.NewCatalog(changed, t.TempDir())
		folder, err := catalog.Find("m", "any")
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read(t, folder)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(mostAllocated))
	})
}
