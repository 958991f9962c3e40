package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// embedded are the files of the console. `make build` adds the libraries and fonts.
//
//go:embed assets
var embedded embed.FS

// Files returns the files that are embedded in the binary.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // the folder is a constant
	}
	return files
}

const (
	indexName = "index.html"
	// library is a file that is present if the console was built with its libraries.
	library = "vendor/licences.txt"
	// folder is the path of all files except the index.
	folder = "/console/"
)

// types are the content types by file extension. Files with other extensions are not served.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2", ".opus": "audio/ogg",
}

// file is a file in the form in which it is served.
type file struct {
	contentType string
	// document is set for pages and workers, to which a policy applies.
	document     bool
	plain        []byte
	plainTag     string
	zipped       []byte // nil if compression does not make it smaller
	zippedTag    string
	cacheControl string
}

// bundle is all files by their URL paths.
type bundle struct {
	files    map[string]*file
	complete bool
}

// The cache headers. The path of every file but the index contains a hash of all files, so
// that a file never changes under its path.
const (
	cacheIndex = "no-cache"
	cacheFile  = "public, max-age=31536000, immutable"
)

// newBundle reads and compresses all files.
func newBundle(source fs.FS) (*bundle, error) {
	contents := make(map[string][]byte)
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || types[path.Ext(name)] == "" {
			return err
		}
		contents[name], err = fs.ReadFile(source, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the console: %w", err)
	}
	joinStyles(contents)
	index, ok := contents[indexName]
	if !ok {
		return nil, fmt.Errorf("read the console: %s is missing", indexName)
	}
	base := folder + digest(contents) + "/"
	_, complete := contents[library]
	b := &bundle{files: make(map[string]*file), complete: complete}
	for name, data := range contents {
		if name != indexName {
			b.files[base+name] = newFile(name, data, cacheFile)
		}
	}
	b.files["/"] = newFile(indexName, bytes.ReplaceAll(index, []byte(`"`+folder), []byte(`"`+base)), cacheIndex)
	return b, nil
}

// styles is the folder of the style sheets, which are served as one, in the order of their
// names: the first paint waits for every style sheet.
const styles = "style/"

func joinStyles(contents map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		if strings.HasPrefix(name, styles) {
			contents["style.css"] = append(contents["style.css"], contents[name]...)
			delete(contents, name)
		}
	}
}

// digest returns a hash of all names and contents.
func digest(contents map[string][]byte) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(contents[name]), contents[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func newFile(name string, data []byte, cacheControl string) *file {
	sum := sha256.Sum256(data)
	tag := hex.EncodeToString(sum[:12])
	f := &file{contentType: types[path.Ext(name)], plain: data, plainTag: `"` + tag + `"`, cacheControl: cacheControl}
	f.document = path.Ext(name) == ".html" || strings.HasSuffix(name, ".worker.js")
	if !strings.HasPrefix(f.contentType, "text/") {
		return f
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = zip.Write(data)
	}
	if err == nil {
		err = zip.Close()
	}
	if err == nil && packed.Len() < len(data) { // a buffer does not fail
		f.zipped, f.zippedTag = packed.Bytes(), `"`+tag+`-gzip"`
	}
	return f
}
