package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/grym-synth/grym-synth/services"
)

// audioExtensions are the extensions of audio files in a folder: formats that the server
// decodes itself, those for which it may need ffmpeg, and those for which it does.
var audioExtensions = []string{
	".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".mp3", ".mp2", ".opus", ".ogg", ".oga", ".webm",
	".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4", ".3gp",
	".aac", ".amr", ".wma",
}

// maxSkippedNames limits the skipped files that are listed for a folder.
const maxSkippedNames = 5

// errIrregular is the error for devices and named pipes.
var errIrregular = errors.New("is not a regular file; use - to read a stream from the standard input")

// standardInput stands for the standard input in the list of files.
const standardInput = "-"

// recording is one input.
type recording struct {
	// path is the path that the user typed, or one found in such a folder.
	path string
	// within is the path below the folder that the user typed, or the file's own name.
	within string
	size   int64 // -1 if it is not known
	// stdin is the standard input; nil for a file.
	stdin io.Reader
	// target is the output file; "" for the standard output.
	target string
	// err is the reason why there is nothing to transcribe.
	err error
}

// base returns a name for logs and the server, which accepts no path.
func (r *recording) base() string {
	if r.stdin != nil {
		return "stdin"
	}
	return filepath.Base(r.path)
}

// open returns the recording's data. The standard input can be read only once.
func (r *recording) open(ctx context.Context) (io.ReadCloser, error) {
	if r.stdin != nil {
		return io.NopCloser(&interruptible{ctx, r.stdin}), nil
	}
	file, err := os.Open(r.path)
	return file, withoutPath(err)
}

// source returns the recording as the audio of a task, and a function that removes its
// temporary file.
func (r *recording) source(ctx context.Context) (services.AudioSource, func(), error) {
	if r.stdin == nil {
		return diskFile{r.path, r.size}, func() {}, nil
	}
	file, err := os.CreateTemp("", "grym-synth-stdin-*") // mode 0600: it may be private
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.Remove(file.Name()) }
	r.size, err = io.Copy(file, &interruptible{ctx, r.stdin})
	if err = errors.Join(err, file.Close()); err != nil {
		remove()
		return nil, nil, err
	}
	return diskFile{file.Name(), r.size}, remove, nil
}

// diskFile is a file as the audio of a task.
type diskFile struct {
	name string
	size int64
}

// Open implements services.AudioSource.
func (f diskFile) Open() (io.ReadSeekCloser, error) { return os.Open(f.name) }

// Size implements services.AudioSource.
func (f diskFile) Size() int64 { return f.size }

// interruptible is a reader that returns soon after ctx ends, even if no data arrives.
// Reads of a terminal or a pipe cannot be interrupted otherwise.
type interruptible struct {
	ctx  context.Context // io.Reader has no place for it
	from io.Reader
}

// pollMilliseconds is the interval at which the context is checked.
const pollMilliseconds = 100

func (i *interruptible) Read(p []byte) (int, error) {
	file, ok := i.from.(interface{ Fd() uintptr })
	for ok {
		if i.ctx.Err() != nil {
			return 0, i.ctx.Err()
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}, pollMilliseconds)
		if err != nil && !errors.Is(err, unix.EINTR) || n > 0 {
			break // Read returns the error too
		}
	}
	if i.ctx.Err() != nil {
		return 0, i.ctx.Err()
	}
	return i.from.Read(p)
}

// withoutPath returns an error without its path, for messages that already have it.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// find returns the recordings that the arguments name: files, folders with everything below
// them, and the standard input. note is called with notes for the user. An argument that
// cannot be read is returned as a recording with an error.
func find(args []string, stdin io.Reader, note func(string)) ([]*recording, error) {
	var found []*recording
	for i, arg := range args {
		if arg == standardInput {
			if slices.Contains(args[:i], standardInput) {
				return nil, misusef("the standard input can be read only once; %q is repeated", standardInput)
			}
			if isTerminal(stdin) {
				return nil, misusef("the standard input is a terminal; use a pipe or a file")
			}
			found = append(found, &recording{path: arg, within: "stdin", size: -1, stdin: stdin})
			continue
		}
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			found = append(found, &recording{path: arg, within: filepath.Base(arg), err: withoutPath(err)})
		case info.IsDir():
			found = append(found, findBelow(arg, note)...)
		case !info.Mode().IsRegular():
			found = append(found, &recording{path: arg, within: filepath.Base(arg), err: errIrregular})
		default:
			found = append(found, &recording{path: arg, within: filepath.Base(arg), size: info.Size()})
		}
	}
	return found, nil
}

// findBelow returns the audio files below a folder, by their extensions. Hidden files and
// folders, and links to folders, are skipped.
func findBelow(folder string, note func(string)) []*recording {
	var found []*recording
	var skipped []string
	broken := false
	// The separator makes WalkDir follow a link to a folder.
	_ = filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		within, _ := filepath.Rel(folder, path)
		switch {
		case err != nil:
			broken = true
			found = append(found, &recording{path: path, within: within, err: withoutPath(err)})
			return nil
		case within != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		info, err := os.Stat(path)
		switch {
		case !slices.Contains(audioExtensions, strings.ToLower(filepath.Ext(path))), err == nil && !info.Mode().IsRegular():
			skipped = append(skipped, within)
		case err != nil:
			found = append(found, &recording{path: path, within: within, err: withoutPath(err)})
		default:
			found = append(found, &recording{path: path, within: within, size: info.Size()})
		}
		return nil
	})
	if len(skipped) > 0 {
		names := strings.Join(skipped[:min(len(skipped), maxSkippedNames)], ", ")
		if more := len(skipped) - maxSkippedNames; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		note(fmt.Sprintf("%s: skipped, not an audio file name: %s", folder, names))
	}
	if len(found) == 0 && !broken {
		found = append(found, &recording{path: folder, within: ".", err: errors.New("no audio files in this folder")})
	}
	return found
}
