// A small client of WebDriver BiDi, by which Firefox can be driven without a patched build.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';

/** Starts Firefox with a new profile. `errors` receives what its console reports as an error. */
export async function launch(executable) {
  const profile = mkdtempSync(join(tmpdir(), 'console-firefox-'));
  const child = spawn(executable, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (data) => {
      text += data;
      const found = /WebDriver BiDi listening on (\S+)/.exec(text);
      if (found) resolve(found[1]);
    });
    exited.then((code) => reject(new Error(`Firefox ended with ${code}`)));
  });
  const socket = new WebSocket(`${address}/session`), pending = new Map(), errors = [];
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  let last = 0;
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.method === 'log.entryAdded' && message.params.level === 'error') errors.push(message.params.text);
    pending.get(message.id)?.(message);
  });
  const send = (method, params = {}) => new Promise((resolve, reject) => {
    const id = ++last;
    pending.set(id, (m) => (m.type === 'error' ? reject(new Error(`${method}: ${m.message}`)) : resolve(m.result)));
    socket.send(JSON.stringify({ id, method, params }));
  });
  const { capabilities } = await send('session.new', { capabilities: {} });
  await send('session.subscribe', { events: ['log.entryAdded'] });
  const { contexts: [{ context }] } = await send('browsingContext.getTree');
  const evaluate = async (f, ...args) => {
    const expression = `(${f})(${args.map((a) => JSON.stringify(a)).join()})`;
    const answer = await send('script.evaluate', { expression, target: { context }, awaitPromise: true });
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text);
    return answer.result.value;
  };
  /** Evaluates f until it returns something true. */
  const until = async (f, ...args) => {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
      const value = await evaluate(f, ...args);
      if (value) return value;
      await new Promise((r) => setTimeout(r, 50));
    }
    throw new Error(`never true: ${f}`);
  };
  const close = async () => {
    await send('browser.close').catch(() => {});
    await exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  const goto = (url) => send('browsingContext.navigate', { context, url, wait: 'complete' });
  return { version: capabilities.browserVersion, goto, evaluate, until, errors, close };
}
