package audioprocessor

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// resultOf runs a task.
func resultOf(t *testing.T, name string, audio services.AudioSource, params string) (services.TaskResult, error) {
	t.Helper()
	s := New(DefaultConfig(), limits(), t.TempDir())
	work, err := s.Prepare(t.Context(), services.Task{Service: Name, Name: name, Audio: audio, Params: json.RawMessage(params)})
	if err != nil {
		return services.TaskResult{}, err
	}
	bytes, err := work.Bytes(t.Context())
	require.NoError(t, err)
	require.Less(t, bytes, 64*services.MiB+ffmpegBytes)
	return work.Run(t.Context(), services.DiscardSink{})
}

func TestDraw(t *testing.T) {
	t.Parallel()
	second := audiofile.Tone(44100, time.Second)
	for params, want := range map[string]tasks.Plot{
		`{}`: {X: 52, Y: 24, Width: 1118, Height: 334, Channel: 1,
			XAxis: tasks.Axis{To: 1, Unit: "s", Scale: "linear"}, YAxis: tasks.Axis{From: -1, To: 1, Unit: "amplitude", Scale: "linear"}},
		`{"kind":"spectrogram","axes":false,"width":300,"height":200,"start":0.25,"end":0.75}`: {Width: 300, Height: 200, Channel: 1,
			XAxis: tasks.Axis{From: 0.25, To: 0.75, Unit: "s", Scale: "linear"}, YAxis: tasks.Axis{To: 22050, Unit: "Hz", Scale: "mel"}},
		`{"kind":"spectrogram","axes":false,"frequency_scale":"log","end":9}`: {Width: 1200, Height: 400, Channel: 1,
			XAxis: tasks.Axis{To: 1, Unit: "s", Scale: "linear"}, YAxis: tasks.Axis{From: 20, To: 22050, Unit: "Hz", Scale: "log"}},
		`{"kind":"loudness","axes":false,"ceiling_db":-3,"theme":"dark"}`: {Width: 1200, Height: 400, Channel: 1,
			XAxis: tasks.Axis{To: 1, Unit: "s", Scale: "linear"}, YAxis: tasks.Axis{From: -60, To: -3, Unit: "LUFS", Scale: "linear"}},
	} {
		result, err := resultOf(t, tasks.Draw, second, params)
		require.NoError(t, err, params)
		picture := result.Value.(*tasks.Picture)
		require.Equal(t, []tasks.Plot{want}, picture.Plots, params)
		decoded, err := png.Decode(bytes.NewReader(picture.Data))
		require.NoError(t, err)
		require.Equal(t, picture.Width, decoded.Bounds().Dx())
		require.Equal(t, "wav", picture.Source.Container)
	}
	result, err := resultOf(t, tasks.Draw, second, `{"format":"svg"}`)
	require.NoError(t, err)
	forms, first := services.FormsOf(result.Value, json.RawMessage(`{"format":"svg"}`))
	require.True(t, first)
	require.Equal(t, "image/svg+xml", forms[0].ContentType)
	text, err := forms[0].Encode()
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(text, []byte("<svg ")))
	forms, _ = services.FormsOf(new(tasks.Picture), nil)
	require.Equal(t, []string{"png", "image/png"}, []string{forms[0].Name, forms[0].ContentType})
}

func TestDrawingRefusals(t *testing.T) {
	t.Parallel()
	second := audiofile.Tone(44100, time.Second)
	for params, wants := range map[string]string{
		`{"start":1}`:           "start must be before the end of the recording, which has 1 s, got 1",
		`{"start":0.5,"end":0}`: "end must be after start, which is 0.5 s, got 0",
		`{"window":512,"colors":"magma","reduce":"max","frequency_scale":"log"}`: "window is a parameter of " +
			"a spectrogram only",
		`{"ceiling_db":0}`:                             "ceiling_db is a parameter of a spectrogram or of loudness only",
		`{"kind":"loudness","channels":"mix"}`:         "channels is a parameter of a waveform or a spectrogram only",
		`{"kind":"spectrogram","max_frequency":30000}`: "max_frequency must be at most 22050 Hz",
		`{"kind":"spectrogram","floor_db":0}`:          "floor_db must be at least 1 dB below",
		`{"width":20}`:                                 "width must be at least 90 pixels for a picture with axes, got 20",
		`{"start":1e300}`:                              "start must be before the end",
		`{"colour":"red"}`:                             "colour is not a parameter",
	} {
		_, err := resultOf(t, tasks.Draw, second, params)
		require.ErrorContains(t, err, wants)
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	}
	for params, wants := range map[string]string{
		`{"pixels":10,"samples_per_pixel":10}`: "pixels cannot be combined with samples_per_pixel",
		`{"pixels":1000000,"version":2}`:       "",
		`{"pixels":1000001}`:                   "pixels must be at most 1000000 for 1 channels, because an answer has at most 2000000 values",
		`{"size":1}`:                           "size is not a parameter",
	} {
		_, err := resultOf(t, tasks.ComputePeaks, second, params)
		if wants == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, wants)
	}
	p := &peaksTask{params: tasks.PeaksParams{SamplesPerPixel: 2}}
	err := p.plan(audiofile.Format{SampleRateHz: 48000, Channels: 2, Frames: 3600 * 48000})
	require.ErrorContains(t, err, "samples_per_pixel must be at least 346 for a recording of 3600 s with 2 channels")
	p.params = tasks.PeaksParams{Version: 1}
	require.ErrorContains(t, p.plan(audiofile.Format{SampleRateHz: 48000, Channels: 2, Frames: 48000}), "version 1 has peaks of one channel")
}

func TestPeaksHaveTheFormatsOfAudiowaveform(t *testing.T) {
	t.Parallel()
	second := audiofile.Tone(8000, time.Second)
	result, err := resultOf(t, tasks.ComputePeaks, second, `{"samples_per_pixel":3000}`)
	require.NoError(t, err)
	peaks := result.Value.(*tasks.Peaks)
	require.Equal(t, []int{2, 1, 8000, 16, 3}, []int{peaks.Version, peaks.Channels, peaks.SampleRateHz, peaks.Bits, peaks.Length})
	require.Len(t, peaks.Data, 6)
	dat := func(value *tasks.Peaks) []byte {
		forms, first := services.FormsOf(value, nil)
		require.False(t, first)
		text, err := forms[0].Encode()
		require.NoError(t, err)
		return text
	}
	text := dat(peaks)
	require.Len(t, text, 24+2*6)
	for i, want := range []uint32{2, 0, 8000, 3000, 3, 1} {
		require.Equal(t, want, binary.LittleEndian.Uint32(text[4*i:]))
	}
	require.Equal(t, uint16(peaks.Data[1]), binary.LittleEndian.Uint16(text[26:]))

	result, err = resultOf(t, tasks.ComputePeaks, second, `{"pixels":2,"bits":8,"version":1,"channels":"mix","format":"dat"}`)
	require.NoError(t, err)
	small := result.Value.(*tasks.Peaks)
	require.Zero(t, small.Channels, "version 1 has no number of channels")
	require.EqualValues(t, peaks.Data[1]/256, small.Data[1])
	require.EqualValues(t, 4000, small.SamplesPerPixel)
	text = dat(small)
	require.Len(t, text, 20+4)
	for i, want := range []uint32{1, 1, 8000, 4000, 2} {
		require.Equal(t, want, binary.LittleEndian.Uint32(text[4*i:]))
	}
	require.EqualValues(t, small.Data[0], int8(text[20]))
	_, first := services.FormsOf(small, json.RawMessage(`{"format":"dat"}`))
	require.True(t, first)
}

// TestDrawingsOfUnknownLength: where the header has an estimate, the length is counted first,
// and where it is wrong the picture is drawn again.
func TestDrawingsOfUnknownLength(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		result, err := resultOf(t, tasks.Draw, recording("speech.m4a"), `{"axes":false}`)
		require.NoError(t, err)
		picture := result.Value.(*tasks.Picture)
		require.InDelta(t, picture.Source.DurationSeconds, picture.Plots[0].XAxis.To, 1e-9)
		result, err = resultOf(t, tasks.ComputePeaks, recording("speech.m4a"), `{"pixels":100}`)
		require.NoError(t, err)
		require.InDelta(t, 100, result.Value.(*tasks.Peaks).Length, 1)
	}
	calls := 0
	s := New(DefaultConfig(), limits(), t.TempDir())
	err := s.readTwice(audiofile.Tone(8000, time.Second), false, func(reader *audiofile.Reader, known audiofile.Format) error {
		calls++
		require.EqualValues(t, 8000, known.Frames)
		part := passage{end: 1 << 40, write: func([]float32) error { return nil }}
		return part.read(t.Context(), reader, services.DiscardSink{})
	}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, calls)
}

// TestDrawingStops: an ended context ends the task.
func TestDrawingStops(t *testing.T) {
	t.Parallel()
	for _, name := range []string{tasks.Draw, tasks.ComputePeaks} {
		s := New(DefaultConfig(), limits(), t.TempDir())
		work, err := s.Prepare(t.Context(), services.Task{Service: Name, Name: name, Audio: audiofile.Tone(44100, time.Second)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = work.Run(ctx, services.DiscardSink{})
		require.ErrorIs(t, err, context.Canceled)
	}
}

// TestACutRecordingIsDrawnToItsEnd: the header of a FLAC file that was cut has the length
// before.
func TestACutRecordingIsDrawnToItsEnd(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(filepath.Join("..", "audiofile", "testdata", "speech.flac"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cut.flac")
	require.NoError(t, os.WriteFile(path, whole[:len(whole)*6/10], 0o600))
	before, err := resultOf(t, tasks.Draw, recording("speech.flac"), `{"axes":false}`)
	require.NoError(t, err)
	result, err := resultOf(t, tasks.Draw, onDisk(path), `{"axes":false}`)
	require.NoError(t, err)
	picture := result.Value.(*tasks.Picture)
	require.Equal(t, services.WarnTruncated, result.Warnings[0].Code)
	require.InDelta(t, picture.Source.DurationSeconds, picture.Plots[0].XAxis.To, 1e-9)
	require.Less(t, picture.Source.DurationSeconds, 0.8*before.Value.(*tasks.Picture).Source.DurationSeconds)
	_, err = resultOf(t, tasks.Draw, onDisk(path), `{"strict":true}`)
	require.ErrorContains(t, err, "cut")
}
