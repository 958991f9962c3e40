package audioprocessor

import (
	"context"
	"errors"
	"os"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/analysis"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// maxParts is the maximum number of files of one edit.
const maxParts = 500

// parts are the files of an edit: one, or several if the sound is split. A file is
// created by the first block of its part.
type parts struct {
	ctx      context.Context //nolint:containedctx // of the task, for which this exists
	service  *Service
	out      audiofile.Output
	list     []*services.Artifact
	file     *os.File
	writer   *audiofile.Writer
	bytes    int64 // of the files before this one
	frames   int64 // of all files
	segments []analysis.Span
}

// write appends a block to the part under way.
func (p *parts) write(block []float32) error {
	for _, v := range block {
		if v-v != 0 {
			return services.Invalidf("operations", "make the sound so loud that its samples are not numbers any more")
		}
	}
	if p.writer == nil {
		if err := p.begin(); err != nil {
			return err
		}
	}
	frames := int64(len(block) / p.out.Channels)
	if err := p.service.checkWritten(p.out, p.file, p.bytes, p.writer.Frames()+frames); err != nil {
		return err
	}
	p.frames += frames
	return storeFault(p.writer.WriteFrames(block))
}

// begin creates the next file.
func (p *parts) begin() (err error) {
	if len(p.list) == maxParts {
		return services.Invalidf("operations", "divide the sound into more than %d parts, which is the limit; raise minimum", maxParts)
	}
	if p.file, err = os.CreateTemp(p.service.dir, "sound-*"); err != nil {
		return storeFault(err)
	}
	p.list = append(p.list, &services.Artifact{Path: p.file.Name(), ContentType: p.out.ContentType()})
	p.writer, err = audiofile.NewWriter(p.ctx, p.file, p.out)
	return storeFault(err)
}

// end completes the file under way.
func (p *parts) end() error {
	if p.writer == nil {
		return nil
	}
	err := p.writer.Close()
	p.writer = nil
	if err != nil {
		return storeFault(err)
	}
	info, err := p.file.Stat()
	if err != nil {
		return storeFault(err)
	}
	p.list[len(p.list)-1].Bytes = info.Size()
	p.bytes += info.Size()
	file := p.file
	p.file = nil
	return storeFault(file.Close())
}

// cut ends a part that has the frames from one to another of the sound.
func (p *parts) cut(from, to int64) error {
	rate := float64(p.out.SampleRateHz)
	p.segments = append(p.segments, analysis.Span{Start: float64(from) / rate, End: float64(to) / rate})
	return p.end()
}

// first returns the first file with the others.
func (p *parts) first() *services.Artifact {
	p.list[0].More = p.list[1:]
	return p.list[0]
}

// discard removes the files.
func (p *parts) discard() error {
	var errs []error
	if p.writer != nil {
		p.writer.Stop()
	}
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	for _, one := range p.list {
		errs = append(errs, one.Remove())
	}
	return errors.Join(errs...)
}
