package gama

import (
	"strings"

	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// output converts tokens to text. It holds back incomplete characters and text that may
// be the beginning of a stop text. Not safe for concurrent use.
type output struct {
	text tokenizer.Text
	stop []string
	// raw has bytes of an incomplete character, held complete characters that may begin
	// a stop text.
	raw  []byte
	held string
	all  strings.Builder
	// begun reports whether something other than space was returned. Leading space is
	// dropped.
	begun bool
}

// add adds a token and returns the text that has become certain. stopped reports
// whether a stop text was found, which ends the answer before it.
func (o *output) add(id int) (piece string, stopped bool) {
	o.raw = append(o.raw, o.text.Bytes(id)...)
	n := tokenizer.Complete(o.raw)
	o.held += strings.ToValidUTF8(string(o.raw[:n]), "\uFFFD")
	o.raw = o.raw[:copy(o.raw, o.raw[n:])]
	return o.release(false)
}

// end returns the text held back.
func (o *output) end() string {
	o.held += strings.ToValidUTF8(string(o.raw), "\uFFFD")
	o.raw = nil
	piece, _ := o.release(true)
	return piece
}

func (o *output) release(all bool) (piece string, stopped bool) {
	if !o.begun {
		o.held = strings.TrimLeft(o.held, " \n\r\t")
		o.begun = o.held != ""
	}
	cut := -1
	for _, stop := range o.stop {
		if i := strings.Index(o.held, stop); i >= 0 && (cut < 0 || i < cut) {
			cut = i
		}
	}
	if cut >= 0 {
		piece, o.held = o.held[:cut], ""
		o.all.WriteString(piece)
		return piece, true
	}
	keep := 0
	if !all {
		for _, stop := range o.stop {
			for n := min(len(stop)-1, len(o.held)); n > keep; n-- {
				if strings.HasSuffix(o.held, stop[:n]) {
					keep = n
					break
				}
			}
		}
	}
	piece, o.held = o.held[:len(o.held)-keep], o.held[len(o.held)-keep:]
	o.all.WriteString(piece)
	return piece, false
}

// String returns the text so far.
func (o *output) String() string { return o.all.String() }
