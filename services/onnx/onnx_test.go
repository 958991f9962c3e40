package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/services"
)

const modelPath = "../../models/wav2vec2-tiny/model.onnx"

// engine is the Runtime of the test process.
var engine *Runtime

// envOpen makes the test binary load a library, print the error and exit, because a
// process can hold only one library.
const envOpen = "ONNX_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(envOpen); path != "" {
		_, err := Open(Config{LibraryPath: path})
		fmt.Println(err, errors.Is(err, ErrNoLibrary))
		os.Exit(0)
	}
	var err error
	if engine, err = Open(Config{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := engine.Close(context.Background()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var speech = Contract{
	Inputs:  []TensorSpec{{Name: "input_values", Type: Float32, Rank: 2}, {Name: "attention_mask", Type: Int64, Rank: 2, Optional: true}},
	Outputs: []TensorSpec{{Name: "logits", Type: Float32, Rank: 3, Dims: []int64{0, 0, 32}}},
}

func open(t testing.TB) *Session {
	t.Helper()
	session, err := engine.OpenSession(Graph{Name: "tiny", Path: modelPath}, speech, SessionConfig{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, session.Close()) })
	return session
}

func samples(t testing.TB, seconds float64) map[string]*Tensor {
	t.Helper()
	n := int64(seconds * 16000)
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(math.Sin(float64(i) / 10))
	}
	tensor, err := NewTensor(values, 1, n)
	require.NoError(t, err)
	t.Cleanup(tensor.Close)
	return map[string]*Tensor{"input_values": tensor}
}

func TestRunReturnsLogits(t *testing.T) {
	t.Parallel()
	session := open(t)
	require.False(t, session.HasInput("attention_mask"))
	outputs, err := session.Run(t.Context(), samples(t, 1))
	require.NoError(t, err)
	defer outputs["logits"].Close()
	require.Equal(t, []int64{1, 49, 32}, outputs["logits"].Shape())
	_, err = Values[int64](outputs["logits"])
	require.ErrorContains(t, err, "not []int64")
	_, err = session.Run(t.Context(), nil)
	require.ErrorContains(t, err, "input input_values is missing")
}

// TestSignatureEqualsTheEngines compares the signature read from the file with that
// reported by ONNX Runtime.
func TestSignatureEqualsTheEngines(t *testing.T) {
	t.Parallel()
	inputs, outputs, err := ort.GetInputOutputInfo(modelPath)
	require.NoError(t, err)
	got, err := Graph{Path: modelPath}.Signature()
	require.NoError(t, err)
	compare := func(want []ort.InputOutputInfo, got []TensorInfo) {
		require.Len(t, got, len(want))
		for i, w := range want {
			require.Equal(t, w.Name, got[i].Name)
			require.Equal(t, int32(w.DataType), int32(got[i].Type))
			require.Equal(t, []int64(w.Dimensions), got[i].Dims)
		}
	}
	compare(inputs, got.Inputs)
	compare(outputs, got.Outputs)
}

func TestMismatchSaysWhatWasExpectedAndFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contract Contract
		says     []string
	}{
		"name": {
			Contract{Inputs: []TensorSpec{{Name: "audio", Type: Float32, Rank: 2}}, Outputs: speech.Outputs},
			[]string{"input audio float32[?,?] is missing", "input_values"},
		},
		"type": {
			Contract{Inputs: []TensorSpec{{Name: "input_values", Type: Int64, Rank: 2}}, Outputs: speech.Outputs},
			[]string{"must be input_values int64[?,?], found input_values float32[?,?]"},
		},
		"rank": {
			Contract{Inputs: []TensorSpec{{Name: "input_values", Type: Float32, Rank: 3}}, Outputs: speech.Outputs},
			[]string{"must be input_values float32[?,?,?]"},
		},
		"dimension": {Contract{
			Inputs:  speech.Inputs,
			Outputs: []TensorSpec{{Name: "logits", Type: Float32, Rank: 3, Dims: []int64{0, 0, 40}}},
		}, []string{"[?,?,40]", "[?,?,32]"}},
		"unknown input": {Contract{Outputs: speech.Outputs}, []string{"not known to this pipeline"}},
	} {
		_, err := engine.OpenSession(Graph{Name: "tiny", Path: modelPath}, c.contract, SessionConfig{Threads: 1})
		require.ErrorIs(t, err, ErrContract, name)
		for _, text := range c.says {
			require.ErrorContains(t, err, text, name)
		}
	}
}

func TestHangUpEndsARun(t *testing.T) {
	t.Parallel()
	session := open(t)
	inputs := samples(t, 25)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := session.Run(ctx, inputs)
	require.ErrorIs(t, err, context.Canceled)

	// Cancel from another goroutine as the run is about to start. The error must be the
	// caller's in either order.
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	_, err = session.Run(ctx, inputs)
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	outputs, err := session.Run(t.Context(), samples(t, 0.5))
	require.NoError(t, err)
	outputs["logits"].Close()
}

func TestRunsGoOnSideBySideAndCloseWaits(t *testing.T) {
	t.Parallel()
	session := open(t)
	var runs sync.WaitGroup
	for range 4 {
		inputs := samples(t, 0.5)
		runs.Go(func() {
			for range 3 {
				outputs, err := session.Run(t.Context(), inputs)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				outputs["logits"].Close()
			}
		})
	}
	require.NoError(t, session.Close())
	runs.Wait()
	_, err := session.Run(t.Context(), samples(t, 0.5))
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, session.Close())
}

func TestTheRuntimeIsOneAndOutlivesSessions(t *testing.T) {
	t.Parallel()
	open(t)
	require.ErrorIs(t, engine.Close(t.Context()), ErrSessionsOpen)
	_, err := Open(Config{})
	require.ErrorContains(t, err, "already loaded")
	require.Equal(t, LibraryVersion, engine.Version())
}

func TestUnusableLibrariesAreExplained(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text.so")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	libc, _ := filepath.Glob("/lib/*/libm.so.6")
	cases := map[string]string{"/nowhere/x.so": "does not exist", t.TempDir(): "is a folder", text: "text.so"}
	if len(libc) > 0 {
		cases[libc[0]] = "is a library, but not ONNX Runtime"
	}
	for path, says := range cases {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envOpen+"="+path)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Contains(t, string(out), says)
		require.Contains(t, string(out), "true", "wraps ErrNoLibrary")
		t.Logf("%s", bytes.TrimSpace(out))
	}
}

func TestNonFiniteOutputsAreFound(t *testing.T) {
	t.Parallel()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		tensor, err := NewTensor([]float32{1, float32(bad)}, 2)
		require.NoError(t, err)
		require.ErrorIs(t, tensor.checkFinite("logits"), ErrNonFinite)
		tensor.Close()
		tensor.Close()
	}
	tensor, err := NewTensor([]float32{1, math.MaxFloat32, -math.MaxFloat32}, 3)
	require.NoError(t, err)
	require.NoError(t, tensor.checkFinite("logits"))
	tensor.Close()
}

// TestMemoryReturnsAfterUnload loads, runs and unloads fifty times. Without trimming,
// resident memory grows or stays at its peak.
func TestMemoryReturnsAfterUnload(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector does not release its shadow memory")
	}
	resident := func() services.Bytes {
		// Garbage in the Go heap would hide memory held by native code.
		debug.FreeOSMemory()
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip("the resident set is not known on this system")
		}
		for line := range strings.Lines(string(status)) {
			var kb int64
			if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
				return services.Bytes(kb) * services.KiB
			}
		}
		t.Fatal("no VmRSS")
		return 0
	}
	inputs := samples(t, 10)
	var second services.Bytes
	for i := range 50 {
		session, err := engine.OpenSession(Graph{Name: "tiny", Path: modelPath}, speech, SessionConfig{Threads: 1})
		require.NoError(t, err)
		outputs, err := session.Run(t.Context(), inputs)
		require.NoError(t, err)
		outputs["logits"].Close()
		require.NoError(t, session.Close())
		if i == 1 {
			second = resident()
		}
	}
	last := resident()
	t.Logf("resident after the second unload %s, after the fiftieth %s", second, last)
	require.LessOrEqual(t, last, second+8*services.MiB)
}

func TestGarbageIsNotAModel(t *testing.T) {
	t.Parallel()
	model, err := os.ReadFile(modelPath)
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("hello world"), "cut short": model[:len(model)/2],
		"cut in the header": model[:40],
	} {
		_, err := ReadSignature(bytes.NewReader(data), int64(len(data)))
		require.ErrorIs(t, err, ErrNotONNX, name)
		_, err = engine.OpenSession(Graph{Name: "x", Data: data}, speech, SessionConfig{})
		require.ErrorIs(t, err, ErrNotONNX, name)
	}
}

// TestMalformedNumbersAreNotAModel has numbers that protocol buffers do not have, each
// in front of a model that is sound.
func TestMalformedNumbersAreNotAModel(t *testing.T) {
	t.Parallel()
	model := addition(field(graphInitializer, tensorAt("w")), "")
	for name, first := range map[string]string{
		"more than 64 bits": "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "eleven bytes": "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
		"field zero": "\x00\x00", "a field beyond 32 bits": "\x88\x80\x80\x80\x80\x01\x00", "a group": "\x0b\x0c", "wire type 7": "\x0f",
	} {
		data := first + model
		_, err := ReadSignature(strings.NewReader(data), int64(len(data)))
		require.ErrorIs(t, err, ErrNotONNX, name)
	}
}

func FuzzReadSignature(f *testing.F) {
	model, err := os.ReadFile(modelPath)
	require.NoError(f, err)
	f.Add(model[:2000])
	f.Add(model[len(model)-2000:])
	f.Add([]byte{0x3a, 0x04, 0x5a, 0x02, 0x0a, 0x00})
	f.Add([]byte{0x3a, 0x0a, 0x62, 0x08, 0x0a, 0x01, 'x', 0x12, 0x03, 0x0a, 0x01, 0x08})
	f.Fuzz(func(t *testing.T, data []byte) {
		sig, err := ReadSignature(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			require.ErrorIs(t, err, ErrNotONNX)
			return
		}
		require.NotEmpty(t, sig.Outputs)
	})
}

// TestEightBitsAreFastWhereTheProcessorHasVNNI compares with what the kernel says.
func TestEightBitsAreFastWhereTheProcessorHasVNNI(t *testing.T) {
	t.Parallel()
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs /proc/cpuinfo of an x86 processor")
	}
	saturate := !regexp.MustCompile(`\b(avx512_vnni|avx_vnni|amx_int8)\b`).Match(info)
	options, err := SessionConfig{}.options()
	require.NoError(t, err)
	defer func() { require.NoError(t, options.Destroy()) }()
	has, err := options.HasSessionConfigEntry("session.x64quantprecision")
	require.NoError(t, err)
	require.Equal(t, saturate, has, "slow products only where they saturate otherwise")
}
