package tasks

import (
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
)

// Content types of texts.
const (
	contentText = "text/plain; charset=utf-8"
	contentSRT  = "application/x-subrip; charset=utf-8"
	contentVTT  = "text/vtt; charset=utf-8"
)

// Forms implements services.Formed.
func (t *Transcription) Forms() []services.Form {
	form := func(name, contentType string) services.Form {
		return services.Form{Name: name, ContentType: contentType, Encode: func() ([]byte, error) { return t.Encode(name) }}
	}
	return []services.Form{form(FormatText, contentText), form(FormatSRT, contentSRT), form(FormatVTT, contentVTT)}
}

// Tailor implements services.Tailored: verbose_json has what the parameters name.
func (t *Transcription) Tailor(raw json.RawMessage) ([]byte, error) {
	var params TranscribeParams
	_ = json.Unmarshal(raw, &params) // what was accepted can be read; otherwise nothing is asked for
	if params.ResponseFormat != FormatVerbose {
		return nil, nil
	}
	return t.Encode(FormatVerbose, params.TimestampGranularities...)
}

// Forms implements services.Formed.
func (a *Answer) Forms() []services.Form {
	return []services.Form{{Name: FormatText, ContentType: contentText, Encode: func() ([]byte, error) { return []byte(a.Text + "\n"), nil }}}
}

var (
	_ services.Formed   = (*Transcription)(nil)
	_ services.Formed   = (*Answer)(nil)
	_ services.Tailored = (*Transcription)(nil)
)
