// What the scripts here share: the real binary on a free port, and WAV files.

import { spawn } from 'node:child_process';

export const RATE = 16000;

// serve starts the server over a data directory and gives its address, its process id and what stops it.
export async function serve(binary, data, env = {}) {
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--data-dir', data], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let log = '';
    child.stderr.on('data', (piece) => {
      log += piece;
      const at = /"msg":"listening","listen":"([^"]+)"/.exec(log);
      if (at) resolve(`http://${at[1]}`);
    });
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`the server ended:\n${log}`)));
  });
  return { url, pid: child.pid, stop: () => (child.kill(), ended) };
}

// wav makes a file of samples of 16 bits, mono, at RATE.
export function wav(samples) {
  const b = Buffer.alloc(44 + 2 * samples.length);
  b.write('RIFF'); b.writeUInt32LE(36 + 2 * samples.length, 4); b.write('WAVEfmt ', 8);
  b.writeUInt32LE(16, 16); b.writeUInt16LE(1, 20); b.writeUInt16LE(1, 22); b.writeUInt32LE(RATE, 24); b.writeUInt32LE(2 * RATE, 28);
  b.writeUInt16LE(2, 32); b.writeUInt16LE(16, 34); b.write('data', 36); b.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((v, i) => b.writeInt16LE(v, 44 + 2 * i));
  return b;
}
