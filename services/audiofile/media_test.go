package audiofile

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func be32(v int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// box returns an MP4 box with a given size field.
func box(kind string, body []byte) []byte { return cat(be32(8+len(body)), []byte(kind), body) }

// judged returns the warnings and the fault of judgeMedia.
func judged(file []byte) ([]services.WarningCode, error) {
	notes := new(report)
	err := judgeMedia(asFile(file, notes), file[:min(len(file), sniffBytes)])
	return codes(&Reader{notes: notes}), err
}

func asFile(raw []byte, notes *report) file {
	return file{r: bytes.NewReader(raw), size: int64(len(raw)), whole: int64(len(raw)), notes: notes}
}

// mediaBoxes are parts of an MP4 file.
func mediaBoxes() (ftyp, moov, mdat []byte, moof func(time uint64) []byte) {
	ftyp, moov, mdat = box("ftyp", []byte("M4A \x00\x00\x00\x00")), box("moov", make([]byte, 50)), box("mdat", make([]byte, 500))
	return ftyp, moov, mdat, func(time uint64) []byte {
		track := cat(box("tfhd", make([]byte, 8)), box("tfdt", cat(be32(1<<24), be64(time))))
		return box("moof", cat(box("mfhd", make([]byte, 8)), box("traf", track)))
	}
}

// mediaFiles are the structures of files, without sound.
func mediaFiles() map[string][]byte {
	ftyp, moov, mdat, moof := mediaBoxes()
	adts := bytes.Repeat(cat([]byte{0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc}, make([]byte, 9)), 40)
	caf := cat([]byte("caff\x00\x01\x00\x00desc"), be64(32), make([]byte, 32))
	return map[string][]byte{
		"MP4":                      cat(ftyp, moov, mdat),
		"MP4 of long boxes":        cat(ftyp, moov, be32(1), []byte("mdat"), be64(16+500), make([]byte, 500)),
		"MP4, open":                cat(ftyp, moov, be32(0), []byte("mdat"), make([]byte, 500)),
		"fragments":                cat(ftyp, moov, moof(0), mdat, moof(9000), mdat),
		"QuickTime without a type": cat(box("wide", nil), moov, mdat),
		"AIFF":                     cat([]byte("FORM"), be32(4+500), []byte("AIFF"), make([]byte, 500)),
		"AU":                       cat([]byte(".snd"), be32(24), be32(500), make([]byte, 12+500)),
		"AU, open":                 cat([]byte(".snd"), be32(24), be32(math.MaxUint32), make([]byte, 12+500)),
		"Wave64":                   cat([]byte("riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"), le64(524), make([]byte, 500)),
		"CAF":                      cat(caf, []byte("data"), be64(500), make([]byte, 500)),
		"CAF, open":                cat(caf, []byte("data"), be64(math.MaxUint64), make([]byte, 500)),
		"ASF": cat([]byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), make([]byte, 14),
			asfFileProperties, le64(104), make([]byte, 16), le64(700), make([]byte, 64), make([]byte, 700-30-112)),
		"ADTS":           adts,
		"ADTS with tags": cat(adts, id3Tag(90), adts),
		"MP2":            bytes.Repeat(cat([]byte{0xff, 0xfd, 0x14, 0x04}, make([]byte, 92)), 30),
		"TS":             bytes.Repeat(cat([]byte{tsMark}, make([]byte, tsPacket-1)), 5),
		"Ogg": cat(pageOf(oggFirst, 0, 1, []byte("\x01vorbis")), pageOf(0, 5, 1, make([]byte, 400)),
			pageOf(oggLast, 9, 1, make([]byte, 90))),
		"Matroska": cat([]byte(ebmlMark+"\x80\x18\x53\x80\x67\x41\xf4\x1f\x43\xb6\x75\x41\xee\xa3\x41\xeb"), make([]byte, 0x1eb)),
	}
}

// Structures of files for ffmpeg, which would report nothing.
func TestMediaThatBreaksOffOrGoesOn(t *testing.T) {
	t.Parallel()
	files := mediaFiles()
	tails := map[string]string{
		"ASF": "other", "MP4": "\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc\xff\xfe", "AIFF": "other", "AU": "other", "Wave64": "other",
		"CAF": "\x01\x02\x03\x04\x01\x02\x03\x04\x01\x02\x03\x04",
	}
	for name, whole := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := judged(whole)
			require.NoError(t, err)
			require.Empty(t, found)
			if cut := whole[:len(whole)-3]; !strings.HasSuffix(name, "open") {
				found, err = judged(cut)
				require.NoError(t, err)
				require.Equal(t, []services.WarningCode{services.WarnTruncated}, found, "cut")
				err = judgeMedia(asFile(cut, &report{strict: true}), cut[:min(len(cut), sniffBytes)])
				requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")
			}
			if tail := tails[name]; tail != "" {
				found, err = judged(cat(whole, []byte(tail)))
				require.NoError(t, err)
				require.Equal(t, []services.WarningCode{services.WarnTrailingData}, found, "with a tail")
			}
		})
	}
	ftyp, moov, mdat, moof := mediaBoxes()
	mp4, ogg, matroska := files["MP4"], files["Ogg"], files["Matroska"]
	for text, file := range map[string][]byte{
		"consists of two MP4 files": cat(mp4, mp4),
		"consists of two MP4 files, of which part": cat(ftyp, moov, moof(0), mdat, moof(9000), mdat, ftyp, moov,
			moof(0), mdat),
		"continues as Ogg FLAC after sound of another kind":             cat(ogg, pageOf(oggFirst, 0, 2, []byte("\x7fFLAC"))),
		"continues as Ogg Opus after sound of another kind":             cat(opusLinkOf(1, 6, 2, true), opusLinkOf(2, 1, 2, true)),
		"continues as a WAV file after":                                 cat(files["ADTS"], mono16(1, 2, 3)),
		"continues as a FLAC file after":                                cat(ogg, []byte("fLaC\x00\x00\x00\x22")),
		"continues as a WebM or Matroska file after":                    cat(matroska, matroska),
		"it ends within its mdat box, before its index (moov), without": cat(ftyp, mdat)[:200],
	} {
		_, err := judged(file)
		requireFault(t, err, services.KindInvalid, text)
	}
	for _, name := range []string{"CAF", "AIFF", "AU", "Wave64", "ASF"} {
		found, err := judged(cat(files[name], files[name]))
		require.NoError(t, err)
		require.Equal(t, []services.WarningCode{services.WarnTrailingData}, found, name)
	}
	for _, file := range [][]byte{
		cat(ftyp, moov, moof(0), mdat, moof(9000), mdat, ftyp, moov, moof(18000), mdat),
		cat(ogg, ogg), cat(mp4, box("free", nil)),
	} {
		found, err := judged(file)
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// TestFFmpegLosesNothing creates files with ffmpeg and decodes them with it, whole,
// truncated and joined.
func TestFFmpegLosesNothing(t *testing.T) {
	t.Parallel()
	limits := withFFmpeg(t)
	limits.Strict = false
	dir := t.TempDir()
	speech := filepath.Join(dir, "in.wav")
	require.NoError(t, os.WriteFile(speech, write(t, Output{WAV, Depth16, 16000, 1, ""}, noiseAndTone(48000, 1)), 0o600))
	for name, test := range map[string]struct {
		options []string
		joined  bool // two of them are decoded as one; otherwise they are rejected
	}{
		"a.aac":  {[]string{"-c:a", "aac"}, true},
		"a.ogg":  {[]string{"-c:a", "flac"}, true},
		"b.ogg":  {[]string{"-c:a", "vorbis", "-strict", "-2", "-ac", "2"}, true},
		"a.mp4":  {[]string{"-c:a", "aac", "-movflags", "+faststart"}, false},
		"f.mp4":  {[]string{"-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "300000"}, false},
		"a.mka":  {[]string{"-c:a", "flac"}, true},
		"a.ts":   {[]string{"-c:a", "aac"}, true},
		"a.wma":  {[]string{"-c:a", "wmav2"}, true},
		"32.wav": {[]string{"-c:a", "adpcm_ms"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raceEnabled && test.joined {
				t.Skip("the others show what runs beside ffmpeg")
			}
			path := filepath.Join(dir, name)
			out, err := exec.Command(limits.FFmpeg,
				append(append([]string{"-v", "error", "-i", speech}, test.options...), path)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			frames, reader, err := countFrames(whole, limits)
			require.NoError(t, err)
			rate := reader.Format().SampleRateHz
			require.InDelta(t, 3*rate, frames, 4096)
			require.Empty(t, reader.Warnings())

			got, reader, err := countFrames(whole[:len(whole)*2/3-5], limits)
			require.NoError(t, err)
			require.InDelta(t, 2*rate, got, 1.1*float64(rate))
			require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))

			both, reader, err := countFrames(cat(whole, whole), limits)
			switch {
			case !test.joined:
				requireFault(t, err, services.KindInvalid, "as separate files")
			case name == "32.wav", name == "a.wma": // whose header states the end
				require.NoError(t, err)
				require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))
			default:
				require.NoError(t, err)
				require.InDelta(t, 2*frames, both, 4096)
				require.Empty(t, reader.Warnings())
			}
		})
	}
}
