package audiofile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// lossy describes a container that ffmpeg writes.
type lossy struct {
	contentType, encoding string
	// format and codec are ffmpeg's names.
	format string
	codec  []string
	// rates are the sample rates that the format has, rising; nil for all.
	rates []int
	// channels are the numbers of channels that it has.
	channels []int
}

// lossies are the containers that ffmpeg writes. Qualities are near transparency: MP3 and
// Vorbis with a variable rate, AAC and Opus with one for each channel.
var lossies = map[Container]lossy{
	MP3: {
		contentType: "audio/mpeg", encoding: "mp3", format: "mp3", codec: []string{"libmp3lame", "-q:a", "2"},
		rates: []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}, channels: []int{1, 2},
	},
	Opus: {
		contentType: "audio/ogg;codecs=opus", encoding: "opus", format: "ogg", codec: []string{"libopus"},
		rates: []int{8000, 12000, 16000, 24000, 48000}, channels: []int{1, 2, 3, 4, 6, 8}, // ffmpeg 5.1 exchanges some of 5 and 7
	},
	Vorbis: {
		contentType: "audio/ogg;codecs=vorbis", encoding: "vorbis", format: "ogg", codec: []string{"libvorbis", "-q:a", "5"},
		channels: []int{1, 2, 3, 4, 5, 6, 7, 8},
	},
	AAC: {
		contentType: "audio/aac", encoding: "aac", format: "adts", codec: []string{"aac"},
		rates:    []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000},
		channels: []int{1, 2, 3, 4, 5, 6, 8},
	},
}

// NeedsFFmpeg reports whether only ffmpeg writes the container.
func (c Container) NeedsFFmpeg() bool {
	_, ok := lossies[c]
	return ok
}

// NearestRate returns the lowest sample rate that the container has and that is not below
// a rate, or its highest.
func (c Container) NearestRate(hz int) int {
	rates := lossies[c].rates
	if rates == nil {
		return hz
	}
	i, _ := slices.BinarySearch(rates, hz)
	return rates[min(i, len(rates)-1)]
}

// bitRate returns the bits per second for formats that take them.
func (o Output) bitRate() int {
	switch o.Container {
	case Opus:
		return 64_000 * o.Channels
	case AAC: // at most 6 bits a sample
		return min(96_000, 6*o.SampleRateHz) * o.Channels
	default:
		return 0
	}
}

// ffmpegEncoder writes with ffmpeg, which reads a WAV file without an end from a pipe.
type ffmpegEncoder struct {
	ctx     context.Context //nolint:containedctx // of the program, which outlives the call that started it
	cancel  context.CancelFunc
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	message *tail
	wait    func() error
	out     Output
	buf     []byte
	file    io.Seeker
}

// newFFmpegEncoder starts the program, which ends with ctx. A file is written by its
// name, because the length of a recording may be completed in its header; anything else
// by a pipe.
func newFFmpegEncoder(ctx context.Context, w io.WriteSeeker, out Output, tags []Tag) (*ffmpegEncoder, error) {
	ctx, cancel := context.WithCancel(ctx)
	e := &ffmpegEncoder{ctx: ctx, cancel: cancel, out: out, message: &tail{room: ffmpegMessageBytes}, file: w}
	target := "pipe:1"
	file, named := w.(*os.File)
	if named {
		target = "file:" + file.Name()
	}
	e.cmd = exec.CommandContext(ctx, out.FFmpeg, encodeArguments(out, tags, target)...)
	e.cmd.Env = []string{"LC_ALL=C"} // not an error of this package
	e.cmd.Stderr = e.message
	if !named {
		e.cmd.Stdout = w
	}
	e.cmd.WaitDelay = time.Second
	stdin, err := e.cmd.StdinPipe()
	if err == nil {
		err = e.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, services.Internal(err, "ffmpeg could not be started")
	}
	e.stdin, e.wait = stdin, sync.OnceValue(e.cmd.Wait)
	input := Output{Container: WAV, Depth: DepthFloat, SampleRateHz: out.SampleRateHz, Channels: out.Channels}
	if _, err := e.stdin.Write(input.wavHeader(unknownBytes, 0)); err != nil {
		err = e.failure(err)
		e.stop()
		return nil, err
	}
	return e, nil
}

// unknownBytes is the size of the samples in the header of a file without an end.
const unknownBytes = 1<<32 - 1 - 1<<10

// encodeArguments returns the command line.
func encodeArguments(out Output, tags []Tag, target string) []string {
	kind := lossies[out.Container]
	args := []string{
		"-nostdin", "-hide_banner", "-v", "error", "-y", "-threads", "1", "-protocol_whitelist", "pipe", "-f", "wav", "-ignore_length", "1",
		"-i", "pipe:0", "-map", "0:a:0", "-map_metadata", "-1", "-threads", "1", "-c:a",
	}
	args = append(args, kind.codec...)
	if rate := out.bitRate(); rate > 0 {
		args = append(args, "-b:a", fmt.Sprint(rate))
	}
	for _, tag := range tags {
		if value := tag.clean(); value != "" {
			args = append(args, "-metadata", tag.Key+"="+value)
		}
	}
	return append(args, "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", kind.format, target)
}

func (e *ffmpegEncoder) write(samples []float32) error {
	e.buf = appendSamples(e.buf[:0], samples, DepthFloat)
	if _, err := e.stdin.Write(e.buf); err != nil {
		return e.failure(err)
	}
	return nil
}

func (e *ffmpegEncoder) close() error {
	err := e.stdin.Close()
	if err := e.wait(); err != nil {
		return e.failure(err)
	}
	e.cancel()
	if err != nil {
		return err
	}
	_, err = e.file.Seek(0, io.SeekEnd)
	return err
}

// stop ends the program and waits for it.
func (e *ffmpegEncoder) stop() {
	e.cancel()
	_ = e.wait() // killed, which is expected
}

// failure returns the fault of a failed program.
func (e *ffmpegEncoder) failure(err error) error {
	_ = e.stdin.Close() // which may be the failure
	waited := e.wait()
	if e.ctx.Err() != nil {
		return fmt.Errorf("ffmpeg: %w", context.Cause(e.ctx))
	}
	message := e.message.last()
	switch {
	case strings.Contains(message, "Unknown encoder"):
		return services.Invalidf("container", "cannot be %s: the ffmpeg of this server has no encoder for it", e.out.Container)
	case strings.Contains(e.message.text(), "No space left on device"):
		err = errors.Join(syscall.ENOSPC, err)
	}
	return fmt.Errorf("ffmpeg: %s: %w", message, errors.Join(err, waited))
}
