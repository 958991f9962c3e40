// Batches: many files as one, with counts that move, results, retries.
import { html, store, useState, useEffect, span, timeOf, toast, download, go } from './lib.js';
import { Icon, State, Progress, ErrorBox, Curl } from './ui.js';
import { describe, send, getJSON } from './api.js';
import { loadId, setNotes } from './deck.js';
import { t } from './texts/batches.js';
import { say } from './texts.js';

export const batches = store({ list: [], error: null, files: [] }); // files are those of a batch that is being put together
const page = 50, period = 1000, mostShown = 5, mostLines = 200;
const isRunning = (b) => b.status === 'running';

export async function refreshBatches() {
  try {
    batches.set({ list: (await getJSON(`/v1/batches?limit=${page}`)).data, error: null });
  } catch (error) {
    batches.set({ error });
  }
}

/** Requests the counts every second while a batch runs. */
let watching = false;
export async function watch() {
  if (watching) return;
  watching = true;
  for (await refreshBatches(); batches.get().list.some(isRunning);) {
    await new Promise((r) => setTimeout(r, period));
    if (!document.hidden) await refreshBatches();
  }
  watching = false;
}

/** Begins a new batch of files. */
export function compose(files) {
  batches.set({ files });
  go('jobs/+');
}

async function change(method, path) {
  try {
    await send(describe(method, path));
  } catch (e) {
    toast(e.message);
  }
  watching ? await refreshBatches() : watch();
}
async function save(b, format) {
  try {
    const blob = await (await send(describe('GET', `/v1/batches/${b.id}/results?format=${format}`))).blob();
    download(blob, `${b.title ?? b.id}.${format}`);
  } catch (e) {
    toast(e.message);
  }
}
const nameOf = (b) => t.name(say.tasks[b.task] ?? b.task ?? '', b.title ?? timeOf(b.created));
const endedOf = (c) => c.succeeded + c.failed + c.cancelled;
const toneOf = (b) => (b.counts.failed ? 'bad' : isRunning(b) ? '' : b.status === 'succeeded' ? 'ok' : 'off');

/** The running batches and the newest others. */
export function Batches({ selected }) {
  const s = batches.use(), [most, setMost] = useState(mostShown);
  useEffect(() => { watch(); }, []);
  const shown = s.list.filter((b, i) => isRunning(b) || i < most || b.id === selected);
  return html`<${ErrorBox} error=${s.error} onRetry=${refreshBatches} />${shown.map((b) => html`<${Batch} key=${b.id} b=${b} />`)}
    ${s.list.length > shown.length && html`<button class="btn small quiet" onClick=${() => setMost(page)}>${t.showMore(s.list.length - shown.length)}</button>`}`;
}

function Batch({ b }) {
  const c = b.counts, path = `/v1/batches/${b.id}`, wrong = c.failed + c.cancelled;
  const button = (text, f) => html`<button class="btn small" onClick=${f}>${text}</button>`;
  return html`<section class="panel stack tight" aria-label=${nameOf(b)}><div class="row wrap"><a class="grow clip title" href=${`#/jobs/${b.id}`}>${nameOf(b)}</a>
      <span class="small muted" data-test="batch">${t.state(endedOf(c), b.items, c.failed)}${b.seconds_left > 1 ? t.left(span(b.seconds_left)) : ''}</span>
      ${isRunning(b) && button(t.cancel, () => change('DELETE', path))}
      ${!isRunning(b) && wrong > 0 && button(t.retry, () => change('POST', `${path}/retry`))}
      ${c.succeeded > 0 && button(t.zip, () => save(b, 'zip'))}
      ${!isRunning(b) && button(t.remove, () => change('DELETE', `${path}?purge=true`))}</div>
    <${Progress} value=${b.progress} tone=${toneOf(b)} label=${nameOf(b)} /></section>`;
}

/** The first results of a batch; an archive has all. */
function useResults(id, ended) {
  const [lines, setLines] = useState([]), [error, setError] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    (async () => {
      try {
        const response = await send(describe('GET', `/v1/batches/${id}/results`), { signal: stop.signal });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(), found = [];
        for (let rest = '', part; found.length < mostLines && !(part = await reader.read()).done;) {
          const texts = (rest + part.value).split('\n');
          rest = texts.pop();
          found.push(...texts.map((x) => JSON.parse(x)));
        }
        reader.cancel();
        setLines(found.slice(0, mostLines));
      } catch (e) {
        if (e.name !== 'AbortError') setError(e);
      }
    })();
    return () => stop.abort();
  }, [id, ended]);
  return { lines, error };
}

export function BatchDetail({ id }) {
  const b = batches.use((s) => s.list.find((x) => x.id === id)), { lines, error } = useResults(id, b && Math.floor(20 * b.progress));
  if (!b) return null;
  return html`<aside class="side stack" aria-label=${nameOf(b)}><div class="panel stack"><div class="row"><h2 class="grow clip">${nameOf(b)}</h2><${State} of=${b.status} />
        <a class="btn small quiet icon-only" href="#/jobs" aria-label=${say.close}><${Icon} name="close" /></a></div>
      <${ErrorBox} error=${error} />
      <p class="small muted">${t.counts(b.counts)}</p>
      <ul class="stack tight">${lines.map((x) => html`<${Line} key=${x.item} x=${x} />`)}</ul>
      ${b.items > lines.length && lines.length >= mostLines && html`<p class="small muted">${t.first(mostLines)}</p>`}</div>
    <${Curl} request=${describe('GET', `/v1/batches/${id}/results`)} />
    ${isRunning(b) && html`<${Curl} request=${describe('GET', `/v1/batches/${id}/events`, { stream: true })} />`}</aside>`;
}

function Line({ x }) {
  const name = x.name ?? t.item(x.item + 1);
  const toDeck = async () => {
    try {
      const r = await loadId(x.audio_id, name);
      if (r && x.result?.words) setNotes(r.id, 'words', x.result.words.map((w) => ({ text: w.word, t0: w.start, t1: w.end })));
    } catch (e) {
      toast(e.message);
    }
  };
  return html`<li class="job"><div class="row"><span class="what clip grow">${name}</span><${State} of=${x.status} />
      ${x.audio_id && html`<button class="btn small quiet" aria-label=${t.toDeck(name)} onClick=${toDeck}>${say.deck.put}</button>`}</div>
    ${x.error ? html`<p class="tiny bad">${x.error.message}</p>` : x.result?.text && html`<p class="small">${x.result.text}</p>`}</li>`;
}
