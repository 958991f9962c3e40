package tasks

// Generate creates sound from a description. Its parameters are GenerateParams and its
// result is *Generation. The sounds are TaskResult.Audio, which has one further
// Artifact for each further waveform.
const Generate = "generate"

// GenerateParams are the parameters of Generate. Nil and empty fields take the
// service's defaults.
type GenerateParams struct {
	Prompt         string `json:"prompt"`
	NegativePrompt string `json:"negative_prompt,omitempty"`
	// Seconds is the length of the sound, which is cut to the exact sample.
	Seconds *float64 `json:"audio_length_in_s,omitempty"`
	// Steps is the number of denoising steps. GuidanceScale is the scale of
	// classifier-free guidance; 1 and below disable it.
	Steps         *int     `json:"num_inference_steps,omitempty"`
	GuidanceScale *float64 `json:"guidance_scale,omitempty"`
	// Seed of the initial noise, of which the low 32 bits are used; nil for a random
	// one.
	Seed *uint64 `json:"seed,omitempty"`
	// Waveforms is the number of sounds generated from one seed, as in diffusers; nil
	// for one.
	Waveforms *int `json:"num_waveforms_per_prompt,omitempty"`
	// Rank puts several sounds in the order in which they fit the prompt; nil for true.
	Rank *bool `json:"rank,omitempty"`
	// Scheduler is "dpmsolver++" or "ddim". Eta applies to "ddim".
	Scheduler string  `json:"scheduler,omitempty"`
	Eta       float64 `json:"eta,omitempty"`
	// Container is "wav", "flac", "pcm", "mp3", "opus", "ogg" or "aac"; ffmpeg writes the
	// last four. BitDepth is "16", "24" or "float", for the first three.
	Container string `json:"response_format,omitempty"`
	BitDepth  string `json:"bit_depth,omitempty"`
	// SampleRateHz of the file, 8000 to 192000; 0 for the model's.
	SampleRateHz int `json:"sample_rate,omitempty"`
}

// Generation is the result of Generate.
type Generation struct {
	Seed         uint64  `json:"seed"`
	Waveforms    int     `json:"num_waveforms_per_prompt"`
	Steps        int     `json:"num_inference_steps"`
	Scheduler    string  `json:"scheduler"`
	Seconds      float64 `json:"audio_length_in_s"`
	SampleRateHz int     `json:"sample_rate"`
	// Scores are the cosines of the sounds and the prompt, and Order the numbers of the
	// sounds among those generated, from 0, both in the order of the sounds; RankedBy is
	// the model that compared them. They are empty if the sounds are not ranked.
	Scores   []float64 `json:"scores,omitempty"`
	Order    []int     `json:"order,omitempty"`
	RankedBy string    `json:"ranked_by,omitempty"`
}
