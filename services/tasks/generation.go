package tasks

// Generate makes sound from words: params GenerateParams, result *Generation
// and an Artifact, with one more for each further waveform.
const Generate = "generate"

// GenerateParams are the parameters of Generate. Nil and empty fields take
// the service's defaults.
type GenerateParams struct {
	Prompt         string `json:"prompt"`
	NegativePrompt string `json:"negative_prompt,omitempty"`
	// Seconds of sound, cut exactly to the sample.
	Seconds *float64 `json:"audio_length_in_s,omitempty"`
	// Steps of the denoising loop, GuidanceScale of classifier-free guidance: 1
	// and below is none.
	Steps         *int     `json:"num_inference_steps,omitempty"`
	GuidanceScale *float64 `json:"guidance_scale,omitempty"`
	// Seed of the starting noise; the low 32 bits count. Nil draws one.
	Seed *uint64 `json:"seed,omitempty"`
	// Waveforms made at once from one seed, as diffusers makes them. Nil is one.
	Waveforms *int `json:"num_waveforms_per_prompt,omitempty"`
	// Scheduler is "dpmsolver++" or "ddim"; Eta is DDIM's.
	Scheduler string  `json:"scheduler,omitempty"`
	Eta       float64 `json:"eta,omitempty"`
	// Container is "wav", "flac" or "pcm", BitDepth "16", "24" or "float".
	Container string `json:"response_format,omitempty"`
	BitDepth  string `json:"bit_depth,omitempty"`
	// SampleRateHz of the file, from 8000 to 192000; 0 for the model's.
	SampleRateHz int `json:"sample_rate,omitempty"`
}

// Generation describes the sounds that a generate task made.
type Generation struct {
	Seed         uint64  `json:"seed"`
	Waveforms    int     `json:"num_waveforms_per_prompt"`
	Steps        int     `json:"num_inference_steps"`
	Scheduler    string  `json:"scheduler"`
	Seconds      float64 `json:"audio_length_in_s"`
	SampleRateHz int     `json:"sample_rate"`
}
