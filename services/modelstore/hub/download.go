package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // the object ids of Git
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// bufferBytes is the size of the parts in which files are read.
const bufferBytes = 256 << 10

// ErrWrongContent is wrapped by the error of a file that differs from its hash.
var ErrWrongContent = errors.New("the content differs from its published hash")

// download is a file on its way to the disk.
type download struct {
	client   *Client
	address  string
	snapshot Snapshot
	file     File
	out      *os.File
	// at is the number of bytes written, which sum is the hash of.
	at     int64
	sum    hash.Hash
	report func(bytes int64)
}

// Fetch writes a file of a snapshot to the given path, from the end of what is there
// already, and verifies it. report is called with the number of bytes that are there.
// It returns the SHA-256 of the file.
func (c *Client) Fetch(ctx context.Context, s Snapshot, file File, target string, report func(bytes int64)) (sum string, err error) {
	out, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // models are not secret
	if err != nil {
		return "", unwritten(err)
	}
	defer func() {
		if closeErr := out.Close(); err == nil && closeErr != nil {
			err = unwritten(closeErr)
		}
	}()
	d := &download{client: c, snapshot: s, file: file, out: out, report: report, address: address(c.settings.Endpoint, s, file)}
	if err := d.recover(ctx); err != nil {
		return "", err
	}
	for again := d.at > 0; ; again = false {
		if err := c.persist(ctx, d.attempt); err != nil {
			return "", err
		}
		if sum, err := d.verify(); err == nil {
			return sum, nil
		} else if !again {
			return "", err
		}
		// What was there before may have been wrong.
		if err := d.restart(); err != nil {
			return "", err
		}
	}
}

// address returns where the content of a file is.
func address(endpoint string, s Snapshot, file File) string {
	parts := strings.Split(file.Path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return endpoint + "/" + s.Repo + "/resolve/" + s.Commit + "/" + strings.Join(parts, "/")
}

// recover reads what an earlier download has left.
func (d *download) recover(ctx context.Context) error {
	info, err := d.out.Stat()
	if err != nil {
		return unwritten(err)
	}
	d.newSum()
	if info.Size() > d.file.Size {
		return d.restart()
	}
	n, err := copyBuffered(ctx, d.sum, d.out)
	d.at = n
	return err
}

// newSum begins the hash: that of Git includes the length.
func (d *download) newSum() {
	d.sum = sha256.New()
	if d.file.SHA256 == "" {
		d.sum = sha1.New() //nolint:gosec // the object ids of Git
		fmt.Fprintf(d.sum, "blob %d\x00", d.file.Size)
	}
}

// restart empties the file.
func (d *download) restart() error {
	d.at = 0
	d.newSum()
	if err := d.out.Truncate(0); err != nil {
		return unwritten(err)
	}
	if _, err := d.out.Seek(0, io.SeekStart); err != nil {
		return unwritten(err)
	}
	return nil
}

// attempt downloads what is missing.
func (d *download) attempt(ctx context.Context) (progress bool, err error) {
	before := d.at
	d.report(d.at)
	if d.at == d.file.Size {
		return false, nil
	}
	response, stop, err := d.client.get(ctx, d.address, d.at)
	if err != nil {
		return false, err
	}
	defer stop()
	switch {
	case response.StatusCode == http.StatusPartialContent && isRangeFrom(response, d.at):
	case response.StatusCode == http.StatusOK, response.StatusCode == http.StatusPartialContent,
		response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		// A server without ranges sends the file from its beginning.
		if err := d.restart(); err != nil {
			return false, err
		}
		if response.StatusCode != http.StatusOK {
			return false, broken(fmt.Errorf("the range answered is not the one asked for: %s", response.Status))
		}
	default:
		return false, d.client.refusal(response, d.snapshot.Repo, d.snapshot.Commit, d.file.Path)
	}
	// One byte more shows that the file is longer than announced.
	body := io.LimitReader(response.Body, d.file.Size-d.at+1)
	_, err = copyBuffered(ctx, writerFunc(d.write), body)
	switch {
	case err != nil:
		return d.at > before, err
	case d.at < d.file.Size:
		return d.at > before, broken(io.ErrUnexpectedEOF)
	default:
		return true, nil
	}
}

// write appends bytes to the file.
func (d *download) write(p []byte) (int, error) {
	n, err := d.out.Write(p)
	d.sum.Write(p[:n])
	d.at += int64(n)
	d.report(min(d.at, d.file.Size))
	if err != nil {
		return n, unwritten(err)
	}
	return n, nil
}

// isRangeFrom reports whether an answer begins at the offset.
func isRangeFrom(response *http.Response, offset int64) bool {
	var from, to int64
	_, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-%d/", &from, &to)
	return err == nil && from == offset
}

// verify compares the file with its hash and writes it to the disk.
func (d *download) verify() (string, error) {
	wanted := d.file.SHA256
	if wanted == "" {
		wanted = d.file.Blob
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); d.at != d.file.Size || got != strings.ToLower(wanted) {
		if err := d.restart(); err != nil {
			return "", err
		}
		return "", &services.Fault{
			Kind: services.KindUnavailable, Message: fmt.Sprintf("%s of %s is not what the hub promises", d.file.Path, d.snapshot.Repo),
			Err: fmt.Errorf("%w: want %s, got %s", ErrWrongContent, wanted, got),
		}
	}
	if err := d.out.Sync(); err != nil {
		return "", unwritten(err)
	}
	if d.file.SHA256 != "" {
		return wanted, nil
	}
	return hashOf(d.out)
}

// hashOf returns the SHA-256 of a file.
func hashOf(file io.ReadSeeker) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", unwritten(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", unwritten(err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

type writerFunc func(p []byte) (int, error)

// Write implements io.Writer.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// copyBuffered copies until the end of the source or of the context. An error of the
// source is that of a connection unless it is one of the context.
func copyBuffered(ctx context.Context, to io.Writer, from io.Reader) (copied int64, err error) {
	buffer := make([]byte, bufferBytes)
	for {
		if err := ctx.Err(); err != nil {
			return copied, err
		}
		n, readErr := from.Read(buffer)
		if n > 0 {
			written, err := to.Write(buffer[:n])
			copied += int64(written)
			if err != nil {
				return copied, err
			}
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return copied, nil
		case readErr != nil && ctx.Err() != nil:
			return copied, ctx.Err()
		case readErr != nil:
			return copied, &transient{error: &services.Fault{
				Kind: services.KindUnavailable, Message: "the connection to the model hub was lost", Err: readErr,
			}}
		}
	}
}

// unwritten returns the fault of a model that cannot be stored.
func unwritten(err error) error {
	return services.Unstored(err, services.KindInternal, "the model could not be stored")
}
