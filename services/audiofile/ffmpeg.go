package audiofile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// defaultFFmpegTimeout is used if the limits have no timeout.
	defaultFFmpegTimeout = 10 * time.Minute
	// ffmpegMaxAlloc is the program's maximum size of one allocation in bytes.
	ffmpegMaxAlloc = 64 << 20
	// ffmpegMessageBytes is how much of the program's messages is kept.
	ffmpegMessageBytes = 4 << 10
	// ffmpegLeastBytes is the assumed minimum number of bytes per second, which bounds
	// the length of files of unknown length.
	ffmpegLeastBytes = 1000
)

// ffmpegDecoder decodes with ffmpeg: the file is written to a pipe, and float samples
// are read from another one. The program can open only these pipes and a cache of its
// input, which formats with an index at the end require.
type ffmpegDecoder struct {
	*wavDecoder
	cancel  context.CancelFunc
	cmd     *exec.Cmd
	src     *watchedReader
	message *tail
	notes   *report
	least   int64 // frames stated by the file; 0 if it states none
	limit   time.Duration
	ctx     context.Context //nolint:containedctx // of the program, which outlives the call that started it
	refusal error           // why the file needs ffmpeg
	wait    func() error
}

// newFFmpegDecoder starts the program and reads the header of its output.
func newFFmpegDecoder(f file, head []byte, limits Limits, refusal error) (decoder, Format, error) {
	if err := judgeMedia(f, head); err != nil {
		return nil, Format{}, err
	}
	if _, err := f.r.Seek(0, io.SeekStart); err != nil {
		return nil, Format{}, readFault(err)
	}
	timeout := limits.FFmpegTimeout
	if timeout <= 0 {
		timeout = defaultFFmpegTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	d := &ffmpegDecoder{
		ctx: ctx, cancel: cancel, limit: timeout, refusal: refusal,
		notes: f.notes, least: promisedFrames(head), src: &watchedReader{r: f.r}, message: &tail{room: ffmpegMessageBytes},
	}
	d.cmd = exec.CommandContext(ctx, limits.FFmpeg, ffmpegArguments(head, limits)...)
	d.cmd.Env = []string{"LC_ALL=C"} // not an error of this package
	d.cmd.Stdin, d.cmd.Stderr = d.src, d.message
	d.cmd.WaitDelay = time.Second
	stdout, err := d.cmd.StdoutPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, Format{}, services.Internal(err, "ffmpeg could not be started")
	}
	d.wait = sync.OnceValue(d.cmd.Wait)
	out := bufio.NewReaderSize(stdout, bufferBytes)
	wave, err := readPipedHeader(out)
	if err != nil {
		err = d.failure(err)
		return nil, Format{}, errors.Join(err, d.Close())
	}
	d.wavDecoder = wave.decoder(out, -1)
	format := wave.describe("ffmpeg")
	format.BitsPerSample = 0
	format.Guessed = true
	seconds := f.size/ffmpegLeastBytes + 1
	if last := limits.lastSecond(); last > 0 {
		seconds = int64(min(float64(seconds), last+1))
	}
	format.Frames = seconds * int64(format.SampleRateHz)
	return d, format, nil
}

// ffmpegArguments returns the command line: one thread, the first audio track, and at
// most one second more than the limit.
func ffmpegArguments(head []byte, limits Limits) []string {
	input := []string{"-protocol_whitelist", "pipe", "-i", "pipe:0"}
	if isMP4(head) {
		input = []string{"-protocol_whitelist", "cache,pipe", "-read_ahead_limit", "-1", "-i", "cache:pipe:0"}
	}
	args := []string{"-nostdin", "-hide_banner", "-v", "error", "-max_alloc", strconv.Itoa(ffmpegMaxAlloc), "-threads", "1"}
	args = append(args, input...)
	args = append(args, "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-threads", "1")
	if seconds := limits.lastSecond(); seconds > 0 {
		args = append(args, "-t", strconv.FormatFloat(seconds+1, 'f', 3, 64))
	}
	return append(args, "-f", "wav", "-c:a", "pcm_f32le", "-fflags", "+bitexact", "pipe:1")
}

// read implements decoder.
func (d *ffmpegDecoder) read(dst []float32) (int, error) {
	n, err := d.wavDecoder.read(dst)
	if errors.Is(err, io.EOF) {
		waited := d.wait()
		if waited != nil && (d.done == 0 || d.notes.nothingDecoded("") == nil) {
			return n, d.failure(waited)
		}
		d.cancel()
		if d.done < d.least {
			if cut := d.notes.truncated("%d frames were announced, it ends after %d", d.least, d.done); cut != nil {
				return n, cut
			}
		}
	}
	return n, err
}

// failure returns the fault for a failed program.
func (d *ffmpegDecoder) failure(err error) error {
	var fault *services.Fault
	if errors.As(err, &fault) {
		return err
	}
	late := errors.Is(d.ctx.Err(), context.DeadlineExceeded)
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		d.cancel() // it may run forever; at the end of its output it has reported its error
	}
	waited := d.wait()
	late = late || errors.Is(d.ctx.Err(), context.DeadlineExceeded)
	message := d.message.last()
	switch {
	case d.src.err != nil:
		return readFault(d.src.err)
	case late:
		return refuse(services.KindTooLarge, "took ffmpeg more than %s to decode, which is the limit", d.limit)
	case message == "":
		message = err.Error()
	}
	if cut := d.notes.nothingDecoded(message); cut != nil {
		return cut
	}
	refused := unsupported("%s, and ffmpeg cannot decode it either: %s", refusedAs(d.refusal), message)
	refused.Err = errors.Join(err, waited)
	return refused
}

// refusedAs returns the description of the file in a refusal, without the list of
// formats.
func refusedAs(refusal error) string {
	var fault *services.Fault
	if !errors.As(refusal, &fault) || len(fault.Fields) == 0 {
		return "is not in an audio format that is known here"
	}
	what, _, _ := strings.Cut(fault.Fields[0].Problem, "; ")
	return what
}

// Close stops the program and waits for it.
func (d *ffmpegDecoder) Close() error {
	d.cancel()
	_ = d.wait() // killed, which is expected
	return nil
}

// readPipedHeader reads a WAV header from a stream that cannot seek, up to the first
// sample.
func readPipedHeader(r io.Reader) (waveFormat, error) {
	var head [riffHeaderBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return waveFormat{}, err
	}
	if !isWAV(head[:]) {
		return waveFormat{}, errors.New("no WAV header")
	}
	var format []byte
	for range maxChunks {
		var chunk [chunkHeaderBytes]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return waveFormat{}, err
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch id := string(chunk[:4]); {
		case id == "data":
			return parseFormat(format)
		case id == "fmt " && size <= maxFormatBytes:
			format = make([]byte, size)
			if _, err := io.ReadFull(r, format); err != nil {
				return waveFormat{}, err
			}
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return waveFormat{}, err
			}
		}
	}
	return waveFormat{}, errors.New("no samples")
}

// tail is a writer that keeps the end of what is written to it.
type tail struct {
	mu    sync.Mutex
	room  int
	bytes []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - t.room; over > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[over:]...)
	}
	return len(p), nil
}

// text returns the end of what was written.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.bytes)
}

// last returns the last line, without its memory address.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.bytes), []byte("\n"))
	line := string(bytes.TrimSpace(lines[len(lines)-1]))
	if strings.HasPrefix(line, "[") {
		if _, rest, ok := strings.Cut(line, "] "); ok {
			line = rest
		}
	}
	return strings.ToValidUTF8(line[:min(len(line), 200)], "")
}
