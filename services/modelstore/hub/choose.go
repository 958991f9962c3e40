package hub

import (
	"path"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// FullPrecision is the precision of graphs as they were exported.
const FullPrecision = "fp32"

// suffixes are the endings of the names of graphs in each precision, in the order in which
// precisions are tried when memory is short.
var suffixes = []struct {
	precision string
	names     []string
}{
	{FullPrecision, []string{""}},
	{"fp16", []string{"_fp16"}},
	{"int8", []string{"_int8", "_quantized"}},
	{"uint8", []string{"_uint8"}},
	{"q4f16", []string{"_q4f16"}},
	{"q4", []string{"_q4"}},
	{"bnb4", []string{"_bnb4"}},
}

// Precisions returns the names of the precisions.
func Precisions() []string {
	names := make([]string, len(suffixes))
	for i, s := range suffixes {
		names[i] = s.precision
	}
	return names
}

// graph is an ONNX graph with its files of weights.
type graph struct {
	stem, precision string
	files           []File
	bytes           int64
}

// choice is what a pull downloads.
type choice struct {
	Precision string
	Files     []File
	Bytes     int64
}

// choose returns the files that services read: settings, vocabularies and the card, and
// each graph in one precision. An empty precision is the best one whose graphs have at most
// room bytes, or else the smallest; room 0 is no limit. A graph that does not exist in the
// precision is taken in full precision.
func choose(s Snapshot, precision string, room int64) (choice, error) {
	graphs, others := split(s.Files)
	if len(graphs) == 0 {
		return choice{}, services.Invalidf("source",
			"%s has no ONNX graphs at %s; look for a repository of the same model with a folder onnx", s.Repo, s.Requested)
	}
	available := precisionsOf(graphs)
	if precision != "" && !slices.Contains(available, precision) {
		return choice{}, services.Invalidf("precision",
			"%.40q does not exist in %s; available: %s", precision, s.Repo, strings.Join(available, ", "))
	}
	picked, bytes := pick(graphs, precision)
	if precision == "" {
		for _, precision = range available {
			if picked, bytes = pick(graphs, precision); room <= 0 || bytes <= room {
				break
			}
		}
		if room > 0 && bytes > room {
			precision, picked = smallest(graphs, available)
		}
	}
	made := choice{Precision: precision, Files: others}
	for _, g := range picked {
		made.Files = append(made.Files, g.files...)
	}
	slices.SortFunc(made.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, file := range made.Files {
		made.Bytes += file.Size
	}
	return made, nil
}

// smallest returns the precision whose graphs have the fewest bytes.
func smallest(graphs []graph, available []string) (precision string, picked []graph) {
	var bytes int64
	for _, candidate := range available {
		some, size := pick(graphs, candidate)
		if picked == nil || size < bytes {
			precision, picked, bytes = candidate, some, size
		}
	}
	return precision, picked
}

// split separates the graphs from the small files. Weights of other frameworks are left
// out.
func split(files []File) (graphs []graph, others []File) {
	for _, file := range files {
		if strings.HasSuffix(file.Path, ".onnx") {
			graphs = append(graphs, graphOf(file, files))
		} else if isRead(file.Path) {
			others = append(others, file)
		}
	}
	return merged(graphs), others
}

// graphOf returns a graph with its files of weights, which have the graph's name and a
// suffix such as _data or _data_1.
func graphOf(file File, all []File) graph {
	g := graph{files: []File{file}, bytes: file.Size}
	stem := strings.TrimSuffix(file.Path, ".onnx")
	g.stem, g.precision = stem, FullPrecision
	for _, s := range suffixes[1:] {
		for _, suffix := range s.names {
			if rest, ok := strings.CutSuffix(stem, suffix); ok {
				g.stem, g.precision = rest, s.precision
			}
		}
	}
	for _, other := range all {
		if strings.HasPrefix(other.Path, file.Path+"_data") || other.Path == file.Path+".data" {
			g.files = append(g.files, other)
			g.bytes += other.Size
		}
	}
	return g
}

// mergedStem is the name of a decoder with and without a cache in one graph; the two
// separate graphs beside it are not read.
const mergedStem = "decoder_model_merged"

// merged removes the graphs that a merged decoder replaces.
func merged(graphs []graph) []graph {
	has := slices.ContainsFunc(graphs, func(g graph) bool { return path.Base(g.stem) == mergedStem })
	return slices.DeleteFunc(graphs, func(g graph) bool {
		base := path.Base(g.stem)
		return has && (base == "decoder_model" || base == "decoder_with_past_model")
	})
}

// isRead reports whether services read a file that is no graph.
func isRead(name string) bool {
	base := path.Base(name)
	if slices.Contains([]string{"README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"}, base) {
		return path.Dir(name) == "."
	}
	if path.Dir(name) == "language_model" { // n-grams beside a CTC model
		return true
	}
	return slices.Contains([]string{".json", ".txt", ".model", ".jinja", ".tiktoken"}, path.Ext(name))
}

// precisionsOf returns the precisions that some graph has, in order.
func precisionsOf(graphs []graph) []string {
	var list []string
	for _, s := range suffixes {
		if slices.ContainsFunc(graphs, func(g graph) bool { return g.precision == s.precision }) {
			list = append(list, s.precision)
		}
	}
	return list
}

// pick returns each graph once, in the precision or else in the best that it has.
func pick(graphs []graph, precision string) (picked []graph, bytes int64) {
	best := make(map[string]graph)
	var stems []string
	for _, g := range graphs {
		had, ok := best[g.stem]
		if !ok {
			stems = append(stems, g.stem)
		}
		if !ok || rank(g, precision) < rank(had, precision) {
			best[g.stem] = g
		}
	}
	for _, stem := range stems {
		picked = append(picked, best[stem])
		bytes += best[stem].bytes
	}
	return picked, bytes
}

// rank orders the precisions of one graph: the wanted one first, then the closest to
// full precision. Of two names of one precision the shorter is first.
func rank(g graph, precision string) int {
	if g.precision == precision {
		return -1000 + len(g.files[0].Path)
	}
	return 1000 * slices.Index(Precisions(), g.precision)
}
