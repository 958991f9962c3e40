// Has waveform-data read the peaks of a server, and wavesurfer.js draw them in Chromium: node players.mjs BINARY
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WaveformData from 'waveform-data';

const rate = 8000, seconds = 8;

/** A WAV file with two channels: a tone that is quiet in the first half, and its negative at half the amplitude. */
function recording() {
  const frames = rate * seconds, file = Buffer.alloc(44 + frames * 4);
  file.write('RIFF', 0); file.writeUInt32LE(36 + frames * 4, 4); file.write('WAVEfmt ', 8); file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); file.writeUInt16LE(2, 22); file.writeUInt32LE(rate, 24); file.writeUInt32LE(rate * 4, 28);
  file.writeUInt16LE(4, 32); file.writeUInt16LE(16, 34); file.write('data', 36); file.writeUInt32LE(frames * 4, 40);
  for (let i = 0; i < frames; i++) {
    const v = Math.round(Math.sin(2 * Math.PI * 441 * i / rate) * (i < frames / 2 ? 3000 : 24000));
    file.writeInt16LE(v, 44 + 4 * i);
    file.writeInt16LE(Math.round(-v / 2), 46 + 4 * i);
  }
  return file;
}

/** The lowest and the highest sample of each stretch of a channel. */
function extremes(file, channel, per) {
  const list = [], frames = rate * seconds;
  for (let from = 0; from < frames; from += per) {
    let low = 32767, high = -32768;
    for (let i = from; i < Math.min(from + per, frames); i++) {
      const v = file.readInt16LE(44 + 4 * i + 2 * channel);
      low = Math.min(low, v); high = Math.max(high, v);
    }
    list.push([low, high]);
  }
  return list;
}

async function start(binary) {
  const data = mkdtempSync(join(tmpdir(), 'players-'));
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--data-dir', data], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  let out = '';
  const base = await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => {
      const found = /listens on (\S+)/.exec(out += text);
      if (found) resolve(`http://${found[1]}`);
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { base, stop: async () => { child.kill('SIGTERM'); await exited; rmSync(data, { recursive: true, force: true }); } };
}

/** Compares what waveform-data reads with the samples. */
async function withWaveformData(url, file) {
  const per = 256, length = Math.ceil(rate * seconds / per);
  for (const [query, bits, channels, json] of [
    ['', 16, 2, true], ['&bits=8', 8, 2, true], ['&format=dat', 16, 2, false], ['&format=dat&bits=8', 8, 2, false],
    ['&format=dat&version=1&channels=mix', 16, 1, false], ['&version=1&channels=mix&bits=8', 8, 1, true],
  ]) {
    const answer = await fetch(`${url}?samples_per_pixel=${per}${query}`);
    assert.equal(answer.status, 200);
    const peaks = WaveformData.create(json ? await answer.json() : await answer.arrayBuffer());
    assert.deepEqual([peaks.sample_rate, peaks.scale, peaks.length, peaks.channels, peaks.bits], [rate, per, length, channels, bits], query);
    assert.ok(Math.abs(peaks.duration - length * per / rate) < 1e-9);
    for (let c = 0; c < channels; c++) {
      const want = extremes(file, c, per);
      for (let i = 0; i < length; i++) {
        const got = [peaks.channel(c).min_sample(i), peaks.channel(c).max_sample(i)];
        const mixed = channels === 1 ? 4 : 1; // the mix of v and -v/2 is v/4
        for (const k of [0, 1]) {
          const value = bits === 8 ? Math.trunc(want[i][k] / mixed / 256) : want[i][k] / mixed;
          assert.ok(Math.abs(got[k] - value) <= (mixed === 1 ? 0 : 1), `${query}: channel ${c}, peak ${i}: ${got} and ${want[i]}`);
        }
      }
    }
    assert.equal(peaks.resample({ width: 50 }).length, 50);
  }
  console.log('pass  waveform-data reads peaks as JSON and as dat');
}

/** Has wavesurfer.js draw peaks, and compares the heights of the drawing with them. */
async function withWavesurfer(url, shot) {
  const paths = [process.env.CONSOLE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const executablePath = paths.find((p) => p && existsSync(p));
  if (!executablePath) {
    console.log('there is no Chromium: skipping wavesurfer.js');
    return;
  }
  const answer = await (await fetch(`${url}?pixels=800&bits=8`)).json();
  const scale = 2 ** (answer.bits - 1);
  // wavesurfer.js takes the extremes of a channel in turn.
  const peaks = [0, 1].map((c) => answer.data.filter((_, i) => (i >> 1) % 2 === c).map((v) => v / scale));
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 800, height: 320 } });
    await page.setContent('<body style="margin:0"><div id="wave"></div></body>');
    const require = createRequire(import.meta.url);
    const library = join(require.resolve('wavesurfer.js'), '..', 'wavesurfer.min.js');
    await page.addScriptTag({ content: readFileSync(library, 'utf8') });
    const heights = await page.evaluate(async ({ peaks, duration }) => {
      const wave = WaveSurfer.create({
        container: '#wave', peaks, duration, height: 160, waveColor: '#0b5a94', cursorWidth: 0, splitChannels: [{}, {}],
      });
      await new Promise((resolve) => { wave.once('redrawcomplete', resolve); setTimeout(resolve, 3000); });
      const canvases = [...wave.getWrapper().querySelectorAll('.canvases canvas')];
      const rows = (x) => canvases.map((canvas) => {
        const at = Math.min(canvas.width - 1, Math.round(x * canvas.width));
        const pixels = canvas.getContext('2d').getImageData(at, 0, 1, canvas.height).data;
        let n = 0;
        for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 100) n++;
        return n / canvas.height;
      });
      return { count: canvases.length, duration: wave.getDuration(), quiet: rows(0.25), loud: rows(0.75) };
    }, { peaks, duration: answer.length * answer.samples_per_pixel / answer.sample_rate });
    if (shot) await page.screenshot({ path: shot });
    assert.ok(heights.count >= 2, 'a canvas for each channel');
    assert.ok(Math.abs(heights.duration - seconds) < 0.05);
    for (const [where, amplitude] of [['quiet', 3000], ['loud', 24000]]) {
      const [left, right] = heights[where];
      assert.ok(Math.abs(left - amplitude / 32768) < 0.03, `${where}: ${left}`);
      assert.ok(Math.abs(right - amplitude / 65536) < 0.03, `${where}: ${right}`);
    }
    console.log('pass  wavesurfer.js draws peaks in Chromium', JSON.stringify(heights));
  } finally {
    await browser.close();
  }
}

const server = await start(process.argv[2]);
try {
  const file = recording();
  const stored = await fetch(`${server.base}/v1/audio`, { method: 'POST', headers: { 'Content-Type': 'audio/wav' }, body: file });
  const url = `${server.base}/v1/audio/${(await stored.json()).id}/peaks`;
  await withWaveformData(url, file);
  await withWavesurfer(url, process.env.PLAYERS_SHOT);
} finally {
  await server.stop();
}
