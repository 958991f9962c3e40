package audiofile

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// parityFile is a file that ffmpeg encodes from synthesised sound.
type parityFile struct {
	format   string // a name in parityFormats
	ext      string
	rate     int
	channels int
	options  []string
	sound    int // see paritySound
}

// paritySounds is the number of kinds of sound.
const paritySounds = 4

// parityRates are the sampling rates of lossless files.
var parityRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000}

// parityFiles returns every file. Rates, channels and options alternate, so that each
// value occurs with several others.
func parityFiles() []parityFile {
	files := append(parityWAV(), parityFLAC()...)
	files = append(files, parityMP3()...)
	files = append(files, parityOpus()...)
	files = append(files, paritySurround()...)
	files = append(files, parityVorbis()...)
	files = append(files, parityContainers()...)
	return append(files, parityMedia()...)
}

// parityWAV has every encoding at every rate, and 1 to 8 channels.
func parityWAV() (files []parityFile) {
	add := func(rate, channels int, options ...string) {
		files = append(files, parityFile{"WAV", "wav", rate, channels, options, len(files)})
	}
	encodings := []string{"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"}
	for i, encoding := range encodings {
		for j, rate := range parityRates {
			add(rate, 1+(i+j)%8, "-c:a", encoding)
		}
		add(44100, 2, "-c:a", encoding, "-rf64", "always")
	}
	return files
}

// parityFLAC has 16 and 24 bits at every rate, and every level of compression.
func parityFLAC() (files []parityFile) {
	for i, format := range []string{"s16", "s32"} { // s32 has 24 bits
		for j, rate := range parityRates {
			level := fmt.Sprint((j + 5*i) % 13)
			files = append(files, parityFile{"FLAC", "flac", rate, []int{1, 2, 6, 8}[(i+j)%4],
				[]string{"-c:a", "flac", "-sample_fmt", format, "-compression_level", level, "-strict", "experimental"}, len(files)})
		}
	}
	return files
}

// parityMP3 has every rate of MPEG 1, 2 and 2.5 with constant, average and variable bit
// rate, in mono, stereo and joint stereo.
func parityMP3() (files []parityFile) {
	sound := 0
	for _, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000} {
		add := func(channels int, options ...string) {
			sound++
			options = append([]string{"-c:a", "libmp3lame"}, options...)
			format := "MP3"
			if rate == 24000 {
				format = "MP3, 24 kHz"
				files = append(files, parityFile{"MP3, 24 kHz, by mpg123", "mp3", rate, channels, options, sound})
			}
			files = append(files, parityFile{format, "mp3", rate, channels, options, sound})
		}
		add(1, "-b:a", "32k")
		add(1, "-q:a", "2")
		add(2, "-b:a", "64k", "-joint_stereo", "0")
		add(2, "-b:a", "64k", "-joint_stereo", "1")
		add(2, "-q:a", "0")
		add(2, "-q:a", "6")
		add(2, "-b:a", "48k", "-abr", "1")
	}
	return files
}

// parityOpus has every frame size of CELT, which codes music, and of SILK and hybrid
// frames, which code speech.
func parityOpus() (files []parityFile) {
	modes := []string{"on", "off", "constrained"}
	for i, frame := range []string{"2.5", "5", "10", "20", "40", "60", "80", "120"} {
		for sound := range paritySounds {
			bits := []string{"32k", "64k", "128k", "256k"}[(i+sound)%4]
			container := [][2]string{{"Ogg Opus, CELT", "opus"}, {"WebM Opus, CELT", "webm"}}[(i+sound/2)%2]
			files = append(files, parityFile{container[0], container[1], 48000, 1 + (i+sound)%2, []string{"-c:a", "libopus",
				"-b:a", bits, "-frame_duration", frame, "-application", "lowdelay", "-vbr", modes[(i+sound)%3]}, sound})
			if i < 2 { // too short for SILK
				continue
			}
			bits = []string{"10k", "16k", "24k", "32k"}[(i/2+sound)%4]
			rate := []int{48000, 24000, 16000, 8000}[(i+sound)%4]
			file := []string{"opus", "webm"}[(i+sound)%2]
			files = append(files, parityFile{"Opus, SILK and hybrid", file, rate, 1 + (i/2)%2, []string{"-c:a", "libopus", "-b:a", bits,
				"-frame_duration", frame, "-application", "voip", "-vbr", modes[i%3]}, sound})
		}
	}
	return files
}

// paritySurround has Opus of every number of channels.
func paritySurround() (files []parityFile) {
	for channels := 3; channels <= maxSurround; channels++ {
		options := []string{"-c:a", "libopus", "-b:a", "256k", "-mapping_family", "1"}
		// Of three and four channels ffmpeg would assume another layout.
		if channels == 3 {
			options = append(options, "-af", "channelmap=map=0|1|2:channel_layout=3.0")
		}
		if channels == 4 {
			options = append(options, "-af", "channelmap=map=0|1|2|3:channel_layout=quad")
		}
		files = append(files, parityFile{"Opus of 3 to 8 channels", []string{"opus", "webm"}[channels%2], 48000, channels, options, channels})
	}
	return files
}

// parityVorbis has every rate and number of channels, with qualities from the lowest to
// the highest, and managed bit rates.
func parityVorbis() (files []parityFile) {
	sound := 0
	for i, rate := range []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000} {
		add := func(format, ext string, channels int, options ...string) {
			options = append([]string{"-c:a", "libvorbis"}, options...)
			files = append(files, parityFile{format, ext, rate, channels, options, sound})
			sound++
		}
		add("Ogg Vorbis", "ogg", 1, "-q:a", fmt.Sprint(i-1))
		add("WebM Vorbis", "webm", 2, "-q:a", fmt.Sprint(9-i))
		add("Ogg Vorbis", "ogg", 3+i%6, "-q:a", "4")
		add("WebM Vorbis", "webm", 3+(i+3)%6, "-q:a", "1")
	}
	for i, bits := range []string{"64k", "128k", "256k"} {
		files = append(files, parityFile{"Ogg Vorbis", "ogg", 44100, 2, []string{"-c:a", "libvorbis", "-b:a", bits}, i})
	}
	return files
}

// parityMedia has formats that are decoded through ffmpeg.
func parityMedia() (files []parityFile) {
	add := func(format, ext string, rate, channels int, options ...string) {
		files = append(files, parityFile{format, ext, rate, channels, options, len(files)})
	}
	for i, rate := range []int{8000, 22050, 44100, 96000} {
		channels := 1 + i%2
		add("lossless, through ffmpeg", "wv", rate, channels)
		add("lossless, through ffmpeg", "tta", rate, channels)
		add("AAC, through ffmpeg", "m4a", rate, channels, "-c:a", "aac", "-b:a", "64k")
		add("AAC, through ffmpeg", "mp4", rate, 3-channels, "-c:a", "aac", "-b:a", "32k", "-movflags", "+faststart")
		add("AAC, through ffmpeg", "aac", rate, channels, "-c:a", "aac", "-b:a", "64k")
	}
	for i, rate := range []int{22050, 44100} {
		add("WMA, through ffmpeg", "wma", rate, 1+i, "-c:a", "wmav2", "-b:a", "64k")
	}
	return files
}

// paritySound synthesises sound by number: a sweep, tones, noise, and something like
// speech. The channels differ.
func paritySound(number, rate, channels int) []float32 {
	frames := int(float64(rate)*(1.1+0.1*float64(number%4))) + 7*(number%13)
	random := rand.New(rand.NewPCG(uint64(number), 3))
	samples := make([]float32, frames*channels)
	for c := range channels {
		sound := []func(t float64) float64{sweep(rate), tones(c), noise(random), syllables(random, c)}[number%paritySounds]
		peak := float32(0)
		for i := range frames {
			x := float32(sound(float64(i) / float64(rate)))
			samples[i*channels+c] = x
			peak = max(peak, x, -x)
		}
		level := 0.7 / (peak * (1 + 0.3*float32(c)))
		for i := range frames {
			samples[i*channels+c] *= level
		}
	}
	return samples
}

// sweep rises from 40 Hz to 0.45 of the rate in a second, and falls.
func sweep(rate int) func(t float64) float64 {
	top, phase := 0.45*float64(rate), 0.0
	return func(t float64) float64 {
		hertz := 40 * math.Pow(top/40, math.Min(t, 2-t))
		phase += hertz / float64(rate)
		return math.Sin(2 * math.Pi * phase)
	}
}

// tones is a chord that changes four times a second.
func tones(channel int) func(t float64) float64 {
	return func(t float64) float64 {
		root := 220 * math.Pow(2, float64(int(t*4)*5%12+channel)/12)
		return 0.4*math.Sin(2*math.Pi*root*t) + 0.3*math.Sin(2*math.Pi*root*1.26*t) + 0.3*math.Sin(2*math.Pi*root*1.498*t)
	}
}

// noise swells and stops ten times a second.
func noise(random *rand.Rand) func(t float64) float64 {
	return func(t float64) float64 { return (2*random.Float64() - 1) * math.Exp(-20*math.Mod(t, 0.1)) }
}

// syllables are harmonics of a gliding pitch under two moving formants, between
// breaths of noise.
func syllables(random *rand.Rand, channel int) func(t float64) float64 {
	return func(t float64) float64 {
		place := math.Mod(t, 0.25) / 0.25
		if place > 0.8 {
			return 0.05 * (2*random.Float64() - 1)
		}
		pitch := 110 + 10*float64(channel)
		first, second := 500+250*math.Sin(9*t), 1500+600*math.Cos(5*t)
		x := 0.0
		for n := 1; n <= 24; n++ {
			hertz := pitch * float64(n)
			low, high := (hertz-first)/150, (hertz-second)/250
			gain := math.Exp(-low*low) + 0.5*math.Exp(-high*high) + 0.02
			x += gain * math.Sin(2*math.Pi*float64(n)*(pitch*t-2*math.Cos(3*t)))
		}
		return 0.4 * x * math.Sin(math.Pi*place/0.8)
	}
}
