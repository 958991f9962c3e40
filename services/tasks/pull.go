package tasks

// Pull downloads a model from a model hub. Its parameters are PullParams, its result is
// *Pulled.
const Pull = "pull"

// PullParams are the parameters of Pull.
type PullParams struct {
	// Source is owner/name, optionally followed by @revision.
	Source string `json:"source"`
	// Name of the model; empty for one made from the source and the precision.
	Name string `json:"name,omitempty"`
	// Precision of the graphs, such as fp32 or int8; empty for the best that fits into
	// the memory.
	Precision string `json:"precision,omitempty"`
	// Gap unloads an older version of the model before the new one is loaded, where both do
	// not fit into the memory.
	Gap bool `json:"gap,omitempty"`
}

// Pulled is the result of Pull.
type Pulled struct {
	Model     string `json:"model"`
	Source    string `json:"source"`
	Revision  string `json:"revision"`
	Precision string `json:"precision"`
	License   string `json:"license,omitempty"`
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	// Present reports whether the same commit was there before.
	Present bool `json:"present"`
	// Replaced reports whether another commit was there before.
	Replaced bool `json:"replaced,omitempty"`
}
