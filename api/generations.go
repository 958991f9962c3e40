package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// generationService does the work of the route.
const generationService = "audioldm"

// generatedSound is the answer of the route as a file.
type generatedSound struct {
	soundResponse
	seed uint64
}

// VisitCreateGenerationResponse implements gen.CreateGenerationResponseObject.
func (s generatedSound) VisitCreateGenerationResponse(w http.ResponseWriter) error {
	w.Header().Set("Grym-Seed", strconv.FormatUint(s.seed, 10))
	return s.send(w)
}

// CreateGeneration implements gen.StrictServerInterface.
func (h *handlers) CreateGeneration(ctx context.Context, request gen.CreateGenerationRequestObject) (gen.CreateGenerationResponseObject, error) {
	accept := exchangeOf(ctx).r.Header.Get("Accept")
	task, err := generationTask(ctx, request, accept)
	task.Caller = h.caller(ctx)
	if err != nil {
		return nil, err
	}
	result, err := h.Executor.Execute(ctx, task, services.DiscardSink{})
	if err != nil {
		return nil, err
	}
	made, ok := result.Value.(*services.Generation)
	if !ok || result.Audio == nil {
		return nil, services.Internal(fmt.Errorf("generate gave %T", result.Value), "the answer could not be encoded")
	}
	if !wantsJSON(accept) {
		return generatedSound{soundResponse{artifact: result.Audio, name: "generated"}, made.Seed}, nil
	}
	sounds, err := takeSounds(result.Audio)
	if err != nil {
		return nil, err
	}
	seed := int64(made.Seed)
	return gen.CreateGeneration200JSONResponse{
		Headers: gen.CreateGeneration200ResponseHeaders{GrymSeed: &seed},
		Body: gen.Generation{
			Model: result.Model, Seed: seed, NumInferenceSteps: made.Steps, Scheduler: made.Scheduler,
			AudioLengthInS: made.Seconds, SampleRate: made.SampleRateHz, NumWaveformsPerPrompt: made.Waveforms, Sounds: sounds,
		},
	}, nil
}

// generationTask makes the task of a request; the service checks the values.
func generationTask(ctx context.Context, request gen.CreateGenerationRequestObject, accept string) (services.Task, error) {
	body := request.Body
	params := services.GenerateParams{
		Prompt: body.Prompt, Seconds: body.AudioLengthInS, Steps: body.NumInferenceSteps, GuidanceScale: body.GuidanceScale,
		NegativePrompt: value(body.NegativePrompt), Eta: value(body.Eta), Scheduler: string(value(body.Scheduler)),
		Container: string(value(body.ResponseFormat)), BitDepth: string(value(body.BitDepth)),
		Waveforms: body.NumWaveformsPerPrompt, SampleRateHz: value(body.SampleRate),
	}
	if n := value(body.NumWaveformsPerPrompt); n > 1 && !wantsJSON(accept) {
		return services.Task{}, services.Invalidf("num_waveforms_per_prompt", "must be 1 where the answer is a file, got %d; several sounds come with Accept: application/json", n)
	}
	if body.Seed != nil {
		seed := uint64(*body.Seed)
		params.Seed = &seed
	}
	if params.Container == "" {
		for _, container := range []string{"flac", "pcm"} {
			if strings.Contains(accept, "audio/"+container) && !strings.Contains(accept, "audio/wav") {
				params.Container = container
			}
		}
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return services.Task{}, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{ID: requestID(ctx), Service: generationService, Name: services.TaskGenerate, Model: value(body.Model), Params: raw}
	if priority := request.Params.GrymPriority; priority != nil {
		task.Priority, err = services.ParsePriority(string(*priority))
	}
	return task, err
}

// wantsJSON tells whether an Accept header asks for JSON rather than sound.
func wantsJSON(accept string) bool {
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "audio/")
}

// takeSounds reads the sounds of a task whole and removes their files.
func takeSounds(artifact *services.Artifact) (sounds []gen.GeneratedSound, err error) {
	defer func() { err = errors.Join(err, artifact.Remove()) }()
	for _, one := range artifact.All() {
		data, err := readArtifact(one)
		if err != nil {
			return nil, services.Internal(err, "the result could not be read")
		}
		sounds = append(sounds, gen.GeneratedSound{ContentType: one.ContentType, Bytes: one.Bytes, Audio: data})
	}
	return sounds, nil
}

func readArtifact(artifact *services.Artifact) ([]byte, error) {
	file, err := artifact.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// value of a field that may be left out.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
