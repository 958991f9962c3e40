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

// audioExtensions are the names of files that a folder is searched for: what the
// server reads by itself, and what it reads where there is ffmpeg.
var audioExtensions = []string{
	".wav", ".wave", ".bwf", ".rf64", ".flac", ".mp3", ".opus", ".ogg", ".oga", ".webm",
	".aac", ".aif", ".aiff", ".amr", ".caf", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4", ".wma",
}

// maxSkippedNames are listed of a folder's files that are skipped.
const maxSkippedNames = 5

// errIrregular is for devices and named pipes.
var errIrregular = errors.New("is not a regular file; a stream can come by the standard input, as -")

// standardInput stands for the standard input among the files.
const standardInput = "-"

// recording is one input.
type recording struct {
	// path as the user wrote it, or found below a folder of the user's.
	path string
	// within is the path below the folder that was named, or the file's own name.
	within string
	size   int64 // -1 where it is not known
	// stdin is what standardInput stands for, nil for a file.
	stdin io.Reader
	// target is the file that the words go to, empty for the standard output.
	target string
	// err is why there is nothing to transcribe.
	err error
}

// base is a name for logs and the server, which accepts no path.
func (r *recording) base() string {
	if r.stdin != nil {
		return "stdin"
	}
	return filepath.Base(r.path)
}

// open returns the recording's bytes. Those of the standard input can be read once.
func (r *recording) open(ctx context.Context) (io.ReadCloser, error) {
	if r.stdin != nil {
		return io.NopCloser(&interruptible{ctx, r.stdin}), nil
	}
	file, err := os.Open(r.path)
	return file, withoutPath(err)
}

// source returns the recording as tasks read it, and a function that removes what
// was stored for it.
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

// diskFile is a file as a task's audio.
type diskFile struct {
	name string
	size int64
}

// Open implements services.AudioSource.
func (f diskFile) Open() (io.ReadSeekCloser, error) { return os.Open(f.name) }

// Size implements services.AudioSource.
func (f diskFile) Size() int64 { return f.size }

// interruptible is a reader that returns soon after ctx ends, also while nothing
// comes: a read of a terminal or a pipe cannot be interrupted otherwise.
type interruptible struct {
	ctx  context.Context // io.Reader has no place for it
	from io.Reader
}

// pollMilliseconds between two looks at the context.
const pollMilliseconds = 100

func (i *interruptible) Read(p []byte) (int, error) {
	file, ok := i.from.(interface{ Fd() uintptr })
	for ok {
		if i.ctx.Err() != nil {
			return 0, i.ctx.Err()
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}, pollMilliseconds)
		if err != nil && !errors.Is(err, unix.EINTR) || n > 0 {
			break // the read has the error too
		}
	}
	if i.ctx.Err() != nil {
		return 0, i.ctx.Err()
	}
	return i.from.Read(p)
}

// withoutPath drops the path from an error that is shown behind it.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// find returns the recordings that the arguments name: files, folders with all
// that is below them, and the standard input. note is called with what a user
// should know of. An argument that cannot be read is a recording with an error.
func find(args []string, stdin io.Reader, note func(string)) ([]*recording, error) {
	var found []*recording
	for i, arg := range args {
		if arg == standardInput {
			if slices.Contains(args[:i], standardInput) {
				return nil, misusef("the standard input can be read once, and %q stands twice", standardInput)
			}
			if isTerminal(stdin) {
				return nil, misusef("the standard input is a terminal; a recording comes through a pipe or from a file")
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

// findBelow returns the audio files below a folder, by their extensions. Hidden
// files and folders are passed over, and so are links to folders.
func findBelow(folder string, note func(string)) []*recording {
	var found []*recording
	var skipped []string
	broken := false
	// The separator makes a link to a folder that folder.
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
		note(fmt.Sprintf("%s: skipped, not audio by name: %s", folder, names))
	}
	if len(found) == 0 && !broken {
		found = append(found, &recording{path: folder, within: ".", err: errors.New("has no audio files")})
	}
	return found
}
