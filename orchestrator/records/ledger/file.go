package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Version of the file's format.
const Version = 1

// leastLimit is the size below which a file is not written anew.
const leastLimit = 1 << 20

// maxLine bounds a line of the file.
const maxLine = 1 << 20

var table = crc32.MakeTable(crc32.Castagnoli)

// line is one line of the file, as JSON after its checksum.
type line struct {
	// Version is set in the first line.
	Version int    `json:"ledger,omitempty"`
	Mark    uint64 `json:"mark,omitempty"`

	Key      string          `json:"key,omitempty"`
	Revision uint64          `json:"rev,omitempty"`
	Final    bool            `json:"final,omitempty"`
	Note     json.RawMessage `json:"note,omitempty"`
	Drop     bool            `json:"drop,omitempty"`

	Loss         *Loss `json:"loss,omitempty"`
	Acknowledged bool  `json:"acknowledged,omitempty"`
}

func (l line) encode() ([]byte, error) {
	raw, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode a line of the ledger: %w", err)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(raw, table), raw), nil
}

// decode returns the line in a text without its newline.
func decode(text []byte) (l line, err error) {
	sum, raw, found := bytes.Cut(text, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || uint32(want) != crc32.Checksum(raw, table) {
		return l, errors.New("its checksum does not match")
	}
	err = json.Unmarshal(raw, &l)
	return l, err
}

// Open opens the ledger in a file, or creates one. The end of a line that was not
// completely written is removed; other lines that cannot be read are a loss.
func Open(name string, opts Options) (*Ledger, error) {
	l := &Ledger{name: name, opts: opts}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	end, err := l.read()
	if err != nil {
		return nil, err
	}
	l.fresh = end < 0
	if l.fresh || l.damaged > 0 {
		if l.damaged > 0 {
			l.losses[ledgerKey] = Loss{Key: ledgerKey, What: LostLines, At: l.now().UTC(), Count: l.damaged}
		}
		return l, l.rewrite()
	}
	if l.file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := errors.Join(l.file.Truncate(end), l.file.Sync()); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), l.file.Close())
	}
	l.size, l.limit = end, max(leastLimit, end)
	return l, nil
}

// Read returns the content of a ledger without changing it, or an error that wraps
// fs.ErrNotExist. Entries cannot be added.
func Read(name string) (*Ledger, error) {
	l := &Ledger{name: name}
	end, err := l.read()
	if err == nil && end < 0 {
		err = fmt.Errorf("ledger: %s: %w", name, fs.ErrNotExist)
	}
	if l.damaged > 0 {
		l.losses[ledgerKey] = Loss{Key: ledgerKey, What: LostLines, At: l.now().UTC(), Count: l.damaged}
	}
	return l, err
}

// read reads the file. It returns the end of its last complete line, -1 if there is no
// file.
func (l *Ledger) read() (end int64, err error) {
	l.entries, l.losses = make(map[string]Entry), make(map[string]Loss)
	file, err := os.Open(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	defer file.Close()
	for reader, first := bufio.NewReaderSize(file, maxLine), true; ; first = false {
		text, err := reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			if first {
				l.damaged++ // a new file has its first line before it has its name
			}
			return end, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("ledger: %w", err)
		}
		end += int64(len(text))
		entry, err := decode(bytes.TrimSuffix(text, []byte("\n")))
		switch {
		case err == nil && entry.Version > Version:
			return 0, fmt.Errorf("ledger: the format of %s is version %d, and this program reads up to version %d", l.name, entry.Version, Version)
		case err != nil || first && entry.Version == 0:
			l.damaged++
		}
		if err == nil {
			l.apply(entry)
		}
	}
}

// apply applies a line.
func (l *Ledger) apply(entry line) {
	l.mark = max(l.mark, entry.Mark, entry.Revision)
	switch {
	case entry.Loss != nil:
		l.losses[entry.Loss.Key] = *entry.Loss
	case entry.Acknowledged:
		l.acknowledge()
	case entry.Drop:
		delete(l.entries, entry.Key)
		if l.losses[entry.Key].Acknowledged {
			delete(l.losses, entry.Key)
		}
	case entry.Key != "":
		l.entries[entry.Key] = Entry{Key: entry.Key, Revision: entry.Revision, Final: entry.Final, Note: entry.Note}
	}
}

// rewrite replaces the file by one that has only the present entries, and syncs it. The
// caller holds mu, or is the only user.
func (l *Ledger) rewrite() error {
	aside := l.name + ".new"
	file, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	size, err := l.snapshot(file)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(aside, l.name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(l.name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("ledger: %w", err), file.Close(), os.Remove(aside))
	}
	if l.file != nil {
		_ = l.file.Close() // replaced, so it has nothing to sync
	}
	l.file, l.size, l.problem = file, size, ""
	l.written += size
	l.limit = max(leastLimit, 3*size)
	return nil
}

// snapshot writes every entry and returns their size.
func (l *Ledger) snapshot(file io.Writer) (size int64, err error) {
	out := bufio.NewWriter(file)
	put := func(entry line) {
		raw, encoding := entry.encode()
		n, writing := out.Write(raw)
		size += int64(n)
		err = errors.Join(err, encoding, writing)
	}
	put(line{Version: Version, Mark: l.mark})
	for _, key := range slices.Sorted(maps.Keys(l.entries)) {
		e := l.entries[key]
		put(line{Key: e.Key, Revision: e.Revision, Final: e.Final, Note: e.Note})
	}
	for _, key := range slices.Sorted(maps.Keys(l.losses)) {
		loss := l.losses[key]
		put(line{Loss: &loss})
	}
	return size, errors.Join(err, out.Flush())
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
