package hub

import (
	_ "embed" // for the catalogue
	"fmt"
	"os"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
)

// Entry is a known public model.
type Entry struct {
	// Name is what the model can be pulled by; Source is its repository.
	Name    string `json:"name"`
	Source  string `json:"source"`
	Task    string `json:"task"`
	Service string `json:"service"`
	// Parameters is the number of weights, about; a weight has four bytes in fp32, two in
	// fp16 and one in int8.
	Parameters int64    `json:"parameters"`
	License    string   `json:"license"`
	Languages  []string `json:"languages,omitempty"`
	// About is what the model is good for, in half a sentence.
	About string `json:"about"`
}

//go:embed catalogue.json
var embedded []byte

// Catalogue is a list of known public models.
type Catalogue []Entry

// ReadCatalogue returns the embedded catalogue, or the one in a file if its name is not
// empty.
func ReadCatalogue(file string) (Catalogue, error) {
	data, from := embedded, "the catalogue"
	if file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil { //nolint:gosec // the operator's own file
			return nil, err
		}
		from = file
	}
	var list Catalogue
	if err := limits.Decode(data, &list, limits.Settings); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	for i, entry := range list {
		if !services.IsModelName(entry.Name) || !repoName.MatchString(entry.Source) {
			return nil, fmt.Errorf("%s: entry %d needs a name, and a source as owner/name; got %.64q and %.200q", from, i, entry.Name, entry.Source)
		}
	}
	return list, nil
}

// Request returns the request for a source, which may be the name of an entry. Such a model
// has the name of the entry, followed by the precision, if the request names none.
func (c Catalogue) Request(source, name, precision string) Request {
	request := Request{Source: source, Name: name, Precision: precision}
	for _, entry := range c {
		if entry.Name == source {
			request.Source, request.base = entry.Source, entry.Name
		}
	}
	return request
}
