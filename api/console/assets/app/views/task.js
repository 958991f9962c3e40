// Every task without a view of its own: its form and its result as the server returns them.
import { html, useState, useEffect, useMemo, copy, toast, go } from '../lib.js';
import { Curl, ErrorBox, Field, Select, Progress, RunKey, Empty, useRun } from '../ui.js';
import { deck, current, payload, setResult, setNotes, useLayer, loadSample } from '../deck.js';
import { server, modelsOf } from '../server.js';
import { tasks, servicesOf, jobRequest } from '../tasks.js';
import { runTask, requestOf } from '../run.js';
import { Parameters, ModelField, labelOf } from '../forms.js';
import { JobOptions, optionFields } from '../job-options.js';
import { submit, jobs } from '../jobs.js';
import { ownTasks } from '../views.js';
import { t } from '../texts/task.js';
import { say } from '../texts.js';

/** The task that is shown first: every model for sounds has it. */
const usual = 'caption';

export default function Task({ rest }) {
  const { list, error } = tasks.use(), others = list.filter((x, i) => !ownTasks.includes(x.task) && list.findIndex((y) => y.task === x.task) === i), task = others.find((x) => x.task === rest) ?? others.find((x) => x.task === usual) ?? others[0];
  if (!task) return html`<${ErrorBox} error=${error} />${!error && html`<${Progress} label=${t.loading} />`}`;
  const choice = html`<${Field} label=${t.which}><${Select} value=${task.task} onChange=${(v) => go(`task/${v}`)}
    items=${others.map((x) => [x.task, say.tasks[x.task] ?? labelOf(x.task)])} /></${Field}>`;
  return html`<${One} key=${task.task} task=${task} choice=${choice} />`;
}

function One({ task, choice }) {
  const d = deck.use(), r = current(d), s = server.use(), [params, setParams] = useState({}), [model, setModel] = useState(''), [asJob, setAsJob] = useState(false), [extra, setExtra] = useState({});
  const [busy, setBusy] = useState(false), [error, setError] = useState(null), key = `task ${task.task}`;
  // A recording is on the deck, so that a text has no place beside it.
  const jobOnly = !task.route, hide = ['stream', 'response_format', ...(task.audio ? ['text'] : [])];
  const job = () => ({ task: task.task, model, params, options: optionFields(extra), labels: { name: r?.name.slice(0, 120) ?? task.task }, audio: task.audio ? payload(r) : null });
  const now = () => ({ params, model, audio: task.audio ? payload(r) : null, headers: { Accept: 'application/json' } });
  const request = useMemo(() => {
    if (task.audio && !r) return null;
    if (asJob || jobOnly) return jobRequest(job());
    return requestOf(task, now());
  }, [task, r, d.selection, params, model, asJob, extra]);
  const run = async () => {
    if (!request || busy) return;
    setBusy(true);
    setError(null);
    try {
      if (asJob || jobOnly) {
        await submit(job());
        jobs.set({ open: true });
      } else {
        const value = await (await runTask(task, now())).json(), { offset } = task.audio ? payload(r) : { offset: 0 };
        if (r) {
          setResult(r.id, key, value);
          setNotes(r.id, key, notesIn(value, offset));
        }
      }
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  useLayer(key);
  useEffect(() => setError(null), [d.id]);
  const result = r?.results[key];
  return html`<div class="split"><section class="stack" aria-label=${t.result}>
    <${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
    ${task.audio && !r ? html`<${Empty} ...${t.empty}><button class="btn primary" onClick=${() => loadSample('sound')}>${say.deck.sample}</button><//>`
    : result ? html`<${Result} value=${result} />` : !busy && html`<${Empty} title=${say.tasks[task.task] ?? labelOf(task.task)} text=${t.ready}><//>`}
    </section><aside class="side first stack" aria-label=${say.form.options}>
      <button class="btn primary wide" onClick=${run} disabled=${busy || !request} data-test="run">${asJob || jobOnly ? t.runJob : d.selection ? t.runSpan : t.run} <${RunKey} /></button>
      <div class="panel stack">${choice}<${ModelField} models=${modelsOf(s, ...servicesOf(task.task))} value=${model} onChange=${setModel} />
        <${Parameters} task=${task} values=${params} onChange=${setParams} first=${task.params_schema.required ?? ['question', 'labels', 'top_k', 'pooling']} hide=${hide}>
          ${!jobOnly && html`<label class="check"><input type="checkbox" checked=${asJob} onChange=${(e) => setAsJob(e.target.checked)} />${say.form.asJob}</label>`}<//>${(asJob || jobOnly) && html`<${JobOptions} value=${extra} onChange=${setExtra} />`}</div>
      ${request && html`<${Curl} request=${request} />`}</aside></div>`;
}

/** The parts of a result that have a place in time. */
function notesIn(value, offset) {
  const list = Object.values(value).find((v) => Array.isArray(v) && v.length && v.every((x) => Number.isFinite(x?.start) && Number.isFinite(x?.end)));
  return (list ?? []).map((x) => ({ t0: x.start + offset, t1: x.end + offset, text: x.label ?? x.text ?? x.word ?? x.name ?? '' }));
}

/** The content types of pictures by their formats. */
const pictures = { png: 'image/png', svg: 'image/svg+xml' };

function Result({ value }) {
  const picture = pictures[value.format], text = useMemo(() => JSON.stringify(value, (k, v) => (picture && k === 'data' ? '…' : Array.isArray(v) && v.length > 24 && v.every(Number.isFinite)
    ? [...v.slice(0, 12), say.numbers(v.length - 12)] : v), 2), [value]);
  const labels = (value.labels ?? value.classes ?? []).filter((x) => Number.isFinite(x.score ?? x.probability));
  return html`${picture && html`<figure class="panel flush picture"><img src=${`data:${picture};base64,${value.data}`} width=${value.width} height=${value.height} alt=${say.tasks.draw} /></figure>`}
    ${typeof value.text === 'string' && html`<p class="lead">${value.text}</p>`}
    ${labels.length > 0 && html`<ul class="bars">${labels.slice(0, 20).map((x) => html`<li><span class="clip">${x.label ?? x.name}</span>
      <span class="meter"><i style=${`width:${(x.score ?? x.probability) * 100}%`}></i></span><span class="num">${(x.score ?? x.probability).toFixed(3)}</span></li>`)}</ul>`}
    <div class="bar"><h2 class="grow">${t.json}</h2><button class="btn small" onClick=${async () => { await copy(JSON.stringify(value)); toast(say.copied); }}>${say.copy}</button></div>
    <pre class="panel table-wrap" tabindex="0" role="region" aria-label=${t.json}>${text}</pre>`;
}
