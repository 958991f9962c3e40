package services

import "encoding/json"

// Form is one form, beside JSON, in which a result comes.
type Form struct {
	// Name is what a client asks for it by, as "srt".
	Name string
	// ContentType as in HTTP.
	ContentType string
	// Encode returns the result in this form.
	Encode func() ([]byte, error)
}

// Formed is implemented by results that come in other forms than JSON.
type Formed interface {
	// Forms lists them; they are the same for every result of the type.
	Forms() []Form
}

// Tailored is implemented by results whose JSON depends on the parameters of the task.
type Tailored interface {
	// Tailor returns the JSON that the parameters ask for; nil for the result's own.
	Tailor(params json.RawMessage) ([]byte, error)
}

// NewResult returns an empty result of a task, into which its JSON can be decoded; nil
// for a task that is not known.
func NewResult(task string) any {
	switch task {
	case TaskTranscribe:
		return new(Transcription)
	case TaskAsk, TaskCaption:
		return new(Answer)
	case TaskEmbed:
		return new(Embedding)
	case TaskClassify:
		return new(Classification)
	case TaskConvert:
		return new(Conversion)
	case TaskGenerate:
		return new(Generation)
	}
	return nil
}

// Content types of texts.
const (
	contentText = "text/plain; charset=utf-8"
	contentSRT  = "application/x-subrip; charset=utf-8"
	contentVTT  = "text/vtt; charset=utf-8"
)

// Forms implements Formed.
func (t *Transcription) Forms() []Form {
	form := func(name, contentType string) Form {
		return Form{Name: name, ContentType: contentType, Encode: func() ([]byte, error) { return t.Encode(name) }}
	}
	return []Form{form(FormatText, contentText), form(FormatSRT, contentSRT), form(FormatVTT, contentVTT)}
}

// Tailor implements Tailored: verbose_json has what the parameters name.
func (t *Transcription) Tailor(raw json.RawMessage) ([]byte, error) {
	var params TranscribeParams
	_ = json.Unmarshal(raw, &params) // what was accepted can be read; otherwise nothing is asked for
	if params.ResponseFormat != FormatVerbose {
		return nil, nil
	}
	return t.Encode(FormatVerbose, params.TimestampGranularities...)
}

// Forms implements Formed.
func (a *Answer) Forms() []Form {
	return []Form{{Name: FormatText, ContentType: contentText, Encode: func() ([]byte, error) { return []byte(a.Text + "\n"), nil }}}
}

var (
	_ Formed   = (*Transcription)(nil)
	_ Formed   = (*Answer)(nil)
	_ Tailored = (*Transcription)(nil)
)
