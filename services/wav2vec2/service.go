package wav2vec2

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// paramsSchema is the JSON Schema of services.TranscribeParams.
const paramsSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "language": {"type": "string", "description": "ISO 639-1 code of the speech, told back in the answer"},
    "prompt": {"type": "string", "maxLength": 4096, "description": "Words that the beam search prefers"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Has no effect: nothing is drawn by chance"},
    "decoding": {"type": "string", "enum": ["greedy", "beam"], "description": "The best letter of every frame, or a search for the most likely words; beam where a word list stands beside the model or a prompt is given, else greedy"},
    "beam_width": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100, "description": "How many texts the beam search keeps"},
    "window_seconds": {"type": "number", "default": 10, "description": "Long audio is cut into windows of 1 to 30 s; 0 takes up to 30 s in one run"},
    "stream": {"type": "boolean", "description": "hand the words over as they come"}
  }
}`

// Service transcribes speech. Safe for concurrent use.
type Service struct {
	cfg         Config
	catalog     *modelstore.Catalog
	pool        *modelstore.Pool[*model]
	recorder    services.Recorder
	initialized atomic.Bool
}

// New makes the service over the folders of a catalog. The session
// configuration is that of every model it loads.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	s := &Service{cfg: cfg, catalog: catalog}
	s.pool = modelstore.NewPool(Name, residency, func(_ context.Context, name string) (*model, services.Bytes, error) {
		files, err := catalog.Find(name, modelType)
		if err != nil {
			return nil, 0, err
		}
		loaded, size, err := loadModel(rt, files, session)
		if err != nil {
			return nil, 0, services.Internal(err, "model %s cannot be loaded", name)
		}
		return loaded, size, nil
	})
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Speech to text with word times, by Wav2Vec2 models with a CTC head.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        []services.TaskKind{{Name: services.TaskTranscribe, ParamsSchema: json.RawMessage(paramsSchema)}},
	}
}

// Initialize loads the default model and runs it once.
func (s *Service) Initialize(ctx context.Context) error {
	if s.initialized.Load() {
		return nil
	}
	s.pool.Reopen()
	m, done, err := s.pool.Acquire(ctx, s.cfg.DefaultModel)
	if err != nil {
		return err
	}
	defer done()
	if err := m.canary(ctx); err != nil {
		return err
	}
	s.initialized.Store(true)
	return nil
}

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	s.initialized.Store(false)
	return s.pool.Close(ctx)
}

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	var status services.ServiceStatus
	status.LastError, status.LastSuccess = s.recorder.Last()
	status.State = services.StateRegistered
	if s.Initialized() {
		status.State = services.StateReady
	}
	for _, files := range s.catalog.List(modelType) {
		m := services.ModelStatus{Name: files.Name, State: services.StateRegistered, Origin: files.Origin, Created: files.Modified()}
		if size, loaded := s.pool.Loaded(files.Name); loaded {
			m.State, m.Bytes = services.StateReady, size
		} else if _, err := readFolder(files); err != nil {
			m.State, m.Problem = services.StateUnavailable, err.Error()
		}
		status.Models = append(status.Models, m)
	}
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics {
	m := s.recorder.Metrics()
	m.BytesLoaded, m.BytesPeak = s.pool.Bytes()
	return m
}

// Estimate implements services.ModelService.
func (s *Service) Estimate(_ context.Context, task services.Task) (services.Bytes, error) {
	files, f, err := s.check(task)
	if err != nil {
		return 0, err
	}
	params, err := parseParams(task.Params)
	if err != nil {
		return 0, err
	}
	reader, closer, err := s.openAudio(task.Audio, params.Window())
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	format := reader.Format()
	rate := int64(f.Preprocessor.SamplingRate)
	// One run holds one window, however long the recording is. A length that a
	// format only guesses may be short of the truth.
	window := params.Window()
	if window == 0 {
		window = longestRun
	}
	samples := int64(window * float64(rate))
	if whole := format.Frames * rate / int64(format.SampleRateHz); !format.Guessed {
		samples = min(samples, whole)
	}
	need := f.runBytes(samples) + services.Bytes(4*(3*samples+2*blockFrames*int64(format.Channels)))
	if _, loaded := s.pool.Loaded(files.Name); !loaded {
		_, weights, err := files.Graph("model.onnx")
		if err != nil {
			return 0, services.Internal(err, "model %s cannot be loaded", files.Name)
		}
		// A load peaks at the weights and a copy of part of them.
		need += weights + weights/2
	}
	return need, nil
}

// check refuses what cannot work whatever the audio is.
func (s *Service) check(task services.Task) (modelstore.Folder, *folder, error) {
	if task.Name != services.TaskTranscribe {
		return modelstore.Folder{}, nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, services.TaskTranscribe)
	}
	if _, err := parseParams(task.Params); err != nil {
		return modelstore.Folder{}, nil, err
	}
	files, err := s.catalog.Find(s.modelName(task), modelType)
	if err != nil {
		return modelstore.Folder{}, nil, err
	}
	if found := files.ModelType(); found != modelType {
		return modelstore.Folder{}, nil, services.Invalidf("model", "%q is of type %q; transcription needs %s", files.Name, found, modelType)
	}
	f, err := readFolder(files)
	if err != nil {
		return modelstore.Folder{}, nil, services.Internal(err, "model %s cannot be loaded", files.Name)
	}
	return files, f, nil
}

func (s *Service) modelName(task services.Task) string {
	if task.Model != "" {
		return task.Model
	}
	return s.cfg.DefaultModel
}

// parseParams reads the parameters strictly.
func parseParams(raw json.RawMessage) (services.TranscribeParams, error) {
	var params services.TranscribeParams
	if err := services.DecodeParams(raw, &params); err != nil {
		return params, err
	}
	var bad []services.FieldError
	complain := func(field, format string, args ...any) {
		bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if w := params.Window(); w != 0 && !(w >= 1 && w <= longestRun) {
		complain("window_seconds", "must be 0 or from 1 to %d, got %v", longestRun, w)
	}
	if d := params.Decoding; d != "" && d != services.DecodingGreedy && d != services.DecodingBeam {
		complain("decoding", "must be greedy or beam, got %.40q", d)
	}
	if params.BeamWidth < 0 || params.BeamWidth > services.MaxBeamWidth {
		complain("beam_width", "must be from 1 to %d, got %d", services.MaxBeamWidth, params.BeamWidth)
	}
	if len(params.Prompt) > services.MaxPromptBytes {
		complain("prompt", "must be at most %d bytes, got %d", services.MaxPromptBytes, len(params.Prompt))
	}
	if t := params.Temperature; !(t >= 0 && t <= 1) {
		complain("temperature", "must be from 0 to 1, got %v", t)
	}
	if len(bad) > 0 {
		return params, &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return params, nil
}

// ExecuteTask implements services.ModelService.
func (s *Service) ExecuteTask(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	started := time.Now()
	result, err := s.transcribe(ctx, task, sink)
	s.recorder.Record(err, time.Since(started))
	return result, err
}

var _ services.ModelService = (*Service)(nil)
