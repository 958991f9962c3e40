// Stores the samples of each recording. Computes the spectrogram of the whole recording
// once, and more detailed ones of the visible part.
import { spectrogram } from './dsp.js';

const stored = new Map();
onmessage = ({ data: { id, samples, part: piece, rate, t0, t1, forget } }) => {
  if (forget) {
    stored.delete(id);
    return;
  }
  if (samples) {
    const made = spectrogram(samples, rate);
    stored.set(id, { samples, rate, loudest: made.loudest });
    postMessage({ id, ...made }, [made.levels.buffer]);
    return;
  }
  if (piece) { // of a recording that the server has
    const made = spectrogram(piece, rate, { most: 3000 });
    postMessage({ id, fine: { t0, t1, ...made } }, [made.levels.buffer]);
    return;
  }
  const one = stored.get(id);
  if (!one) return;
  const part = one.samples.subarray(Math.floor(t0 * one.rate), Math.ceil(t1 * one.rate));
  const made = spectrogram(part, one.rate, { most: 3000, loudest: one.loudest });
  postMessage({ id, fine: { t0, t1, ...made } }, [made.levels.buffer]);
};
