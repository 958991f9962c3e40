// A model hub with one repository: the embedded speech model, as public repositories have it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { root } from './harness.mjs';

const commit = 'a'.repeat(40), repository = 'someone/speech';
const names = ['config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'words.txt', 'README.md', 'model.onnx'];

export async function openHub() {
  const files = new Map(names.map((n) => [n === 'model.onnx' ? 'onnx/model.onnx' : n, readFileSync(join(root, 'models/wav2vec2-tiny', n))]));
  const blob = (data) => createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
  const siblings = [...files].map(([name, data]) => ({
    rfilename: name, size: data.length, blobId: blob(data),
    ...(name.endsWith('.onnx') && { lfs: { sha256: createHash('sha256').update(data).digest('hex'), size: data.length, pointerSize: 130 } }),
  }));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://hub').pathname), content = files.get(path.replace(new RegExp(`^/${repository}/resolve/(main|${commit})/`), ''));
    if (path.startsWith(`/api/models/${repository}`)) {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ id: repository, sha: commit, private: false, gated: false, cardData: { license: 'mit' }, siblings }));
    } else if (content) response.end(content);
    else response.writeHead(401, { 'X-Error-Code': 'RepoNotFound' }).end();
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
