package hub

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// whisper are the files of a repository as transformers.js lays it out, and others.
var whisper = map[string]string{
	".gitattributes": "x", "README.md": "# card", "config.json": `{"model_type":"whisper"}`, "vocab.json": "{}",
	"onnx/encoder_model.onnx": strings.Repeat("encoder", 1000), "onnx/encoder_model_quantized.onnx": strings.Repeat("enc8", 300),
	"onnx/decoder_model_merged.onnx": strings.Repeat("merged", 900), "onnx/decoder_model_merged.onnx_data": strings.Repeat("d", 5000),
	"onnx/decoder_model_merged_int8.onnx": strings.Repeat("m8", 400), "onnx/decoder_model.onnx": "plain", "pytorch_model.bin": "weights",
	"onnx/decoder_with_past_model.onnx": "past", "onnx/decoder_model_merged_fp16.onnx": strings.Repeat("h", 3000),
}

// puller returns a puller of the hub, without pauses, and its folder.
func puller(t *testing.T, h *hubtest.Hub, settings Settings) (*Puller, string) {
	t.Helper()
	settings.Endpoint = h.URL
	client := NewClient(settings)
	t.Cleanup(client.Close)
	client.pause = func(ctx context.Context, d time.Duration) error { return sleep(ctx, min(d, time.Millisecond)) }
	dir := t.TempDir()
	free := func(string) (services.Bytes, error) { return services.GiB, nil }
	return NewPuller(client, dir, 0, free, services.MiB), dir
}

func silent(Progress) {}

// names returns the files of a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			list = append(list, name)
		}
		return err
	}))
	return list
}

func TestAPullIsWholeAndVerified(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("openai/whisper-x", "a", whisper)
	p, dir := puller(t, h, Settings{})
	var last Progress
	pulled, err := p.Pull(t.Context(), Request{Source: "openai/whisper-x"}, func(now Progress) { last = now })
	require.NoError(t, err)
	require.Equal(t, "openai--whisper-x", pulled.Name)
	folder := filepath.Join(dir, pulled.Name)
	require.Equal(t, []string{
		"README.md", "config.json", "grym.json", "onnx/decoder_model_merged.onnx", "onnx/decoder_model_merged.onnx_data",
		"onnx/encoder_model.onnx", "vocab.json",
	}, names(t, folder))
	require.Equal(t, last.Total, last.Done)
	m, err := ReadManifest(folder)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("a", 40), m.Revision)
	require.Equal(t, "apache-2.0", m.License)
	require.Equal(t, last.Total, m.Bytes())
	faults, err := Verify(t.Context(), folder, func(int64, int64) {})
	require.NoError(t, err)
	require.Empty(t, faults)

	again, err := p.Pull(t.Context(), Request{Source: "openai/whisper-x@main"}, silent)
	require.NoError(t, err)
	require.True(t, again.Present)
	require.EqualValues(t, 7000, h.Sent("onnx/encoder_model.onnx"), "nothing is downloaded twice")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "vocab.json"), []byte("[]"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte("longer than before, quite"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "more.txt"), []byte("x"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, "README.md")))
	faults, err = Verify(t.Context(), folder, func(int64, int64) {})
	require.NoError(t, err)
	require.Equal(t, []string{
		"README.md is missing", "config.json has 25 bytes instead of 24", "vocab.json has changed", "more.txt is not part of the model",
	}, faults)

	require.NoError(t, Remove(dir, pulled.Name))
	require.NoDirExists(t, folder)
	require.Equal(t, services.KindNotFound, services.KindOf(Remove(dir, pulled.Name)))
	require.Equal(t, services.KindNotFound, services.KindOf(Remove(dir, "../x")))
}

func TestANewerCommitReplacesTheFolder(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": "old"})
	p, dir := puller(t, h, Settings{})
	_, err := p.Pull(t.Context(), Request{Source: "a/b", Name: "mine"}, silent)
	require.NoError(t, err)
	h.Add("a/b", "2", map[string]string{"config.json": "{}", "model.onnx": "newer"})
	h.Wrong = 9
	_, err = p.Pull(t.Context(), Request{Source: "a/b", Name: "mine"}, silent)
	require.ErrorIs(t, err, ErrWrongContent)
	data, err := os.ReadFile(filepath.Join(dir, "mine", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, "old", string(data), "a failed pull keeps what is there")
	h.Wrong = 0
	pulled, err := p.Pull(t.Context(), Request{Source: "a/b", Name: "mine"}, silent)
	require.NoError(t, err)
	require.False(t, pulled.Present)
	data, err = os.ReadFile(filepath.Join(dir, "mine", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, "newer", string(data))
	require.Equal(t, []string{"mine.lock"}, names(t, filepath.Join(dir, partialDir)))

	h.Add("c/d", "3", map[string]string{"config.json": "{}", "model.onnx": "other"})
	_, err = p.Pull(t.Context(), Request{Source: "c/d", Name: "mine"}, silent)
	require.ErrorContains(t, err, "name mine is the name of another model")
}

// TestAVersionThatIsNotTaken leaves the old one, and the download where a repetition may succeed.
func TestAVersionThatIsNotTaken(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": "old"})
	p, dir := puller(t, h, Settings{})
	took := p.Replace
	busy := services.Faultf(services.KindBusy, "no memory")
	p.Replace = func(context.Context, string, string, func() error) error { return busy }
	pull := func() (Pulled, error) { return p.Pull(t.Context(), Request{Source: "a/b", Name: "mine"}, silent) }
	_, err := pull()
	require.NoError(t, err, "there is nothing to replace")
	h.Add("a/b", "2", map[string]string{"config.json": "{}", "model.onnx": "newer"})
	before := h.Sent("model.onnx")
	for range 2 {
		_, err = pull()
		require.ErrorContains(t, err, "no memory")
	}
	require.Equal(t, int64(5), h.Sent("model.onnx")-before, "what was downloaded stays")
	content, err := os.ReadFile(filepath.Join(dir, "mine", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, "old", string(content))
	p.Replace = func(_ context.Context, model, from string, _ func() error) error {
		require.Equal(t, "mine", model)
		require.FileExists(t, filepath.Join(from, ManifestFile))
		return services.Faultf(services.KindInvalid, "broken")
	}
	_, err = pull()
	require.ErrorContains(t, err, "broken")
	require.Equal(t, []string{"mine.lock"}, names(t, filepath.Join(dir, partialDir)), "a repetition would fail too")
	p.Replace = took
	pulled, err := pull()
	require.NoError(t, err)
	require.True(t, pulled.Replaced)
	require.Equal(t, []string{"mine.lock"}, names(t, filepath.Join(dir, partialDir)))
	content, err = os.ReadFile(filepath.Join(dir, "mine", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, "newer", string(content))
}

// TestAFolderIsAdopted installs a folder that was made here.
func TestAFolderIsAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from := filepath.Join(dir, partialDir, "made")
	adopt := func(text, source string) (Manifest, error) {
		require.NoError(t, os.MkdirAll(from, 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(from, "config.json"), []byte(text), 0o600))
		return Adopt(t.Context(), dir, "mine", from, Manifest{Source: source, Precision: "fp32"})
	}
	for _, text := range []string{"{}", "{ }"} {
		m, err := adopt(text, "a/b")
		require.NoError(t, err)
		require.Equal(t, int64(len(text)), m.Bytes())
		faults, err := Verify(t.Context(), filepath.Join(dir, "mine"), func(int64, int64) {})
		require.NoError(t, err)
		require.Empty(t, faults)
	}
	_, err := adopt("{}", "c/d")
	require.ErrorContains(t, err, "name mine is the name of another model")
}

func TestFaultsOfTheConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		set func(h *hubtest.Hub)
		// most is how often the large file is sent at most.
		most int64
	}{
		"none":            {func(*hubtest.Hub) {}, 1},
		"cut":             {func(h *hubtest.Hub) { h.Cut = 8 }, 1},
		"cut, no ranges":  {func(h *hubtest.Hub) { h.Cut, h.NoRanges = 4, true }, 4},
		"busy":            {func(h *hubtest.Hub) { h.Busy = 4 }, 1},
		"redirected":      {func(h *hubtest.Hub) { h.Redirects, h.Token = true, "secret" }, 1},
		"redirected, cut": {func(h *hubtest.Hub) { h.Redirects, h.Cut = true, 5 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hubtest.New(t)
			h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": strings.Repeat("0123456789", 100_000)})
			fault.set(h)
			p, dir := puller(t, h, Settings{Token: h.Token})
			pulled, err := p.Pull(t.Context(), Request{Source: "a/b"}, silent)
			require.NoError(t, err)
			faults, err := Verify(t.Context(), filepath.Join(dir, pulled.Name), func(int64, int64) {})
			require.NoError(t, err)
			require.Empty(t, faults)
			require.LessOrEqual(t, h.Sent("model.onnx"), fault.most*1_000_000)
			require.Zero(t, h.Leaked(), "the token is for the hub only")
		})
	}
}

func TestALaterPullGoesOn(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": strings.Repeat("0123456789", 100_000)})
	p, dir := puller(t, h, Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := p.Pull(ctx, Request{Source: "a/b"}, func(now Progress) {
		if now.Done > 300_000 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, "a--b"))
	info, err := os.Stat(filepath.Join(dir, partialDir, "a--b", "model.onnx"))
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(300_000))
	before := h.Sent("model.onnx")
	_, err = p.Pull(t.Context(), Request{Source: "a/b"}, silent)
	require.NoError(t, err)
	require.LessOrEqual(t, h.Sent("model.onnx")-before, 1_000_000-info.Size())

	// A wrong beginning is found, and the file is downloaded anew.
	h.Add("c/d", "1", map[string]string{"config.json": "{}", "model.onnx": "the right content"})
	work := filepath.Join(dir, partialDir, "c--d")
	s, err := p.client.Snapshot(t.Context(), "c/d", "main")
	require.NoError(t, err)
	require.NoError(t, begin(work, s))
	require.NoError(t, os.WriteFile(filepath.Join(work, "model.onnx"), []byte("the wrong"), 0o600))
	_, err = p.Pull(t.Context(), Request{Source: "c/d"}, silent)
	require.NoError(t, err)
}

func TestTwoPullsAtOnceDownloadOnce(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": strings.Repeat("0123456789", 100_000)})
	p, dir := puller(t, h, Settings{})
	other := NewPuller(p.client, dir, 0, p.free, 0)
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wait.Go(func() {
			_, errs[i] = []*Puller{p, other}[i%2].Pull(t.Context(), Request{Source: "a/b"}, silent)
		})
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.EqualValues(t, 1_000_000, h.Sent("model.onnx"))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Token = "secret"
	h.Add("a/gated", "1", map[string]string{"model.onnx": "x"}).Gated = true
	h.Add("a/torch", "1", map[string]string{"config.json": "{}", "model.safetensors": "x"})
	h.Add("a/b", "1", map[string]string{"config.json": "{}", "model.onnx": "x"})
	h.Add("a/evil", "1", map[string]string{"../../etc/passwd": "x", "model.onnx": "x"})
	h.Add("a/broken", "1", map[string]string{"model.onnx": "x"}).Commit = "main"
	for source, want := range map[string]string{
		"a/gated":     "source a/gated is gated: accept its terms at " + h.URL + "/a/gated and set HF_TOKEN",
		"a/torch":     "source a/torch has no ONNX graphs at main",
		"a/none":      "source a/none does not exist at " + h.URL + ", or is private",
		"a/b@v2":      `revision "v2" does not exist in a/b`,
		"a/b@../x":    "revision must be a branch, a tag or a commit",
		"whisper":     "source must be owner/name",
		"../x/y":      "source must be owner/name",
		"a/b?x=1":     "source must be owner/name",
		"a/evil":      "cannot be stored",
		"a/broken":    "the hub names no commit of a/broken",
		"a/" + "\x00": "source must be owner/name",
	} {
		p, dir := puller(t, h, Settings{})
		_, err := p.Pull(t.Context(), Request{Source: source}, silent)
		require.ErrorContains(t, err, want, source)
		require.Empty(t, names(t, dir))
	}
	p, _ := puller(t, h, Settings{Token: "secret"})
	_, err := p.Pull(t.Context(), Request{Source: "a/gated"}, silent)
	require.NoError(t, err)
	_, err = p.Pull(t.Context(), Request{Source: "a/b", Precision: "int4"}, silent)
	require.ErrorContains(t, err, `precision "int4" does not exist in a/b; available: fp32`)
	_, err = p.Pull(t.Context(), Request{Source: "a/b", Name: ".x"}, silent)
	require.ErrorContains(t, err, "name must have 1 to 128 letters")
	p.free = func(string) (services.Bytes, error) { return services.MiB, nil }
	_, err = p.Pull(t.Context(), Request{Source: "a/b"}, silent)
	require.Equal(t, services.KindFull, services.KindOf(err), err)
	asked := h.Asked()
	offline, _ := puller(t, h, Settings{Offline: true})
	_, err = offline.Pull(t.Context(), Request{Source: "a/b"}, silent)
	require.ErrorContains(t, err, "HF_HUB_OFFLINE is set")
	require.Equal(t, asked, h.Asked())
	h.Busy = 100
	_, err = p.Pull(t.Context(), Request{Source: "a/b"}, silent)
	require.ErrorContains(t, err, "503 Service Unavailable")
}

func TestPrecisions(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("o/w", "1", whisper)
	for _, c := range []struct {
		asked  string
		memory int64
		name   string
		graphs string
	}{
		{"", 0, "o--w", "decoder_model_merged.onnx encoder_model.onnx"},
		{"fp16", 0, "o--w-fp16", "decoder_model_merged_fp16.onnx encoder_model.onnx"},
		{"int8", 0, "o--w-int8", "decoder_model_merged_int8.onnx encoder_model_quantized.onnx"},
		{"", 17_400, "o--w", "decoder_model_merged.onnx encoder_model.onnx"},
		{"", 17_399, "o--w-fp16", "decoder_model_merged_fp16.onnx encoder_model.onnx"},
		{"", 9_999, "o--w-int8", "decoder_model_merged_int8.onnx encoder_model_quantized.onnx"},
		{"", 1, "o--w-int8", "decoder_model_merged_int8.onnx encoder_model_quantized.onnx"},
	} {
		p, dir := puller(t, h, Settings{})
		p.memory = c.memory
		pulled, err := p.Pull(t.Context(), Request{Source: "o/w", Precision: c.asked}, silent)
		require.NoError(t, err)
		require.Equal(t, c.name, pulled.Name)
		var graphs []string
		for _, name := range names(t, filepath.Join(dir, c.name, "onnx")) {
			if strings.HasSuffix(name, ".onnx") {
				graphs = append(graphs, name)
			}
		}
		require.Equal(t, c.graphs, strings.Join(graphs, " "), c)
	}
}

func TestSettingsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "token"), []byte("of-file\n"), 0o600))
	env := map[string]string{"HF_HOME": home, "HF_ENDPOINT": "http://hub.test/", "HF_HUB_OFFLINE": "yes", "HF_HUB_DOWNLOAD_TIMEOUT": "2.5"}
	got, err := FromEnvironment(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Equal(t, Settings{Endpoint: "http://hub.test", Token: "of-file", Offline: true, Idle: 2500 * time.Millisecond}, got)
	env["HF_TOKEN"] = "own"
	got, err = FromEnvironment(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Equal(t, "own", got.Token)
	got, err = FromEnvironment(func(string) string { return "" })
	require.NoError(t, err)
	require.Equal(t, Settings{Endpoint: "https://huggingface.co", Idle: 30 * time.Second}, got)
	for name, value := range map[string]string{"HF_ENDPOINT": "ftp://x", "HF_HUB_DOWNLOAD_TIMEOUT": "-1"} {
		_, err := FromEnvironment(func(asked string) string { return map[string]string{name: value}[asked] })
		require.ErrorContains(t, err, name+" must be")
	}
}

// Whatever a hub lists, nothing leaves the folder.
func FuzzSnapshot(f *testing.F) {
	const begins = `{"sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","siblings":[`
	f.Add(begins + `{"rfilename":"../x","size":1,"blobId":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]}`)
	f.Add(begins + `{"rfilename":"m.onnx","lfs":{"sha256":"` + strings.Repeat("c", 64) + `","size":-1}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var a answer
		if json.Unmarshal([]byte(text), &a) != nil {
			return
		}
		s, err := a.snapshot("a/b", "main")
		if err != nil {
			return
		}
		for _, file := range s.Files {
			require.True(t, filepath.IsLocal(file.Path), file.Path)
			require.GreaterOrEqual(t, file.Size, int64(0))
			require.NotEqual(t, ManifestFile, file.Path)
		}
		if chosen, err := choose(s, "", 100); err == nil {
			require.NotEmpty(t, chosen.Precision)
		}
	})
}
