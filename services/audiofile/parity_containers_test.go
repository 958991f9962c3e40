package audiofile

import "fmt"

// parityContainers has PCM, FLAC, ALAC and Opus in the other containers that are decoded
// natively.
func parityContainers() (files []parityFile) {
	for _, container := range []struct {
		format, ext string
		encodings   []string
	}{
		{"AIFF", "aiff", []string{"pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
			"pcm_s16le"}},
		{"AU", "au", []string{"pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw"}},
		{"Wave64", "w64", []string{"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"}},
		{"CAF", "caf", []string{"pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
			"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"}},
		{"QuickTime PCM", "mov", []string{"pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_alaw",
			"pcm_mulaw", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"}},
		{"Matroska PCM", "mka", []string{"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s16be",
			"pcm_s24be"}},
	} {
		for i, encoding := range container.encodings {
			for j := range 2 {
				files = append(files, parityFile{container.format, container.ext, parityRates[(3*i+7*j)%len(parityRates)], 1 + (i+3*j)%8,
					[]string{"-c:a", encoding}, len(files)})
			}
		}
	}
	return append(append(files, parityPackets()...), parityMP2()...)
}

// parityMP2 has every table of allocation, in mono, stereo and joint stereo.
func parityMP2() (files []parityFile) {
	for _, rate := range []int{16000, 22050, 24000, 32000, 44100, 48000} {
		add := func(channels int, options ...string) {
			files = append(files, parityFile{"MP2", "mp2", rate, channels, append([]string{"-c:a"}, options...), len(files)})
		}
		add(1, "mp2", "-b:a", "32k")
		add(1, "mp2", "-b:a", "56k")
		add(2, "mp2", "-b:a", "96k")
		add(2, "mp2", "-b:a", "160k")
		// ffmpeg drops a first frame whose mode differs from the second's.
		for i, bits := range []string{"64k", "128k"} {
			files = append(files, parityFile{"MP2", "mp2", rate, 2, []string{"-c:a", "libtwolame", "-b:a", bits, "-mode", "joint_stereo"}, 2 + i})
		}
		if rate >= 32000 {
			add(1, "mp2", "-b:a", "192k")
			add(2, "mp2", "-b:a", "384k")
		}
	}
	return files
}

// parityPackets has codecs in containers with packets.
func parityPackets() (files []parityFile) {
	fragments := []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "300000"}
	for i, depth := range []string{"s16", "s32"} { // s32 has 24 bits
		for j, rate := range []int{8000, 16000, 22050, 44100, 48000, 96000} {
			channels := 1 + (i+j)%2
			add := func(format, ext string, channels int, options ...string) {
				files = append(files, parityFile{format, ext, rate, channels, options, len(files)})
			}
			flac := []string{"-c:a", "flac", "-sample_fmt", depth, "-strict", "experimental"}
			alac := []string{"-c:a", "alac", "-sample_fmt", depth + "p"}
			add("Ogg FLAC", "ogg", channels, flac...)
			add("Matroska FLAC", "mka", 3-channels, flac...)
			add("MP4 FLAC", "mp4", channels, flac...)
			add("MP4 FLAC", "mp4", 3-channels, append(flac, fragments...)...)
			add("MP4 FLAC", "mp4", 1+(3*i+j)%8, append(flac, "-movflags", "+faststart")...)
			add("ALAC", "m4a", channels, alac...)
			add("ALAC", "mov", 3-channels, alac...)
			add("ALAC", "mp4", channels, append(alac, fragments...)...)
			add("ALAC", "caf", 3-channels, alac...)
			add("ALAC", "mka", channels, alac...)
			add("ALAC", "m4a", channels, append(alac, "-min_prediction_order", fmt.Sprint(1+j), "-max_prediction_order", fmt.Sprint(3+5*j))...)
		}
	}
	for channels := 3; channels <= maxSurround; channels++ {
		layout := []string{"3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)"}[channels-3]
		files = append(files, parityFile{"ALAC", "m4a", 44100, channels,
			[]string{"-af", "channelmap=channel_layout=" + layout, "-c:a", "alac"}, channels})
	}
	for i, frame := range []string{"10", "20", "40", "60"} {
		for sound := range paritySounds {
			options := []string{"-c:a", "libopus", "-b:a", "96k", "-frame_duration", frame, "-application", "audio"}
			if (i+sound)%2 == 1 {
				options = append(options, fragments...)
			}
			files = append(files, parityFile{"MP4 Opus", "mp4", 48000, 1 + sound%2, options, sound})
		}
	}
	return files
}
