// The definition of a pipeline as text, with the server's faults at their steps.
import { html, useState, useMemo, useRef, toast, go } from '../lib.js';
import { Icon, Curl, ErrorBox, Pill, RunKey, useRun } from '../ui.js';
import { describe, send } from '../api.js';
import { t, template } from '../texts/pipeline-editor.js';
import { say } from '../texts.js';

/** The definition in a text, or what is wrong with the text. */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' && !Array.isArray(value) ? { value } : { problem: t.notObject };
  } catch (e) {
    const at = Number(/position (\d+)/.exec(e.message)?.[1] ?? NaN), line = /line (\d+)/.exec(e.message)?.[1] ?? (Number.isFinite(at) ? text.slice(0, at).split('\n').length : 0);
    return { problem: t.bad(e.message.replace(/ in JSON.*| \(line.*/, ''), line) };
  }
}
/** Where a step begins in the text. */
const placeOf = (text, id) => text.search(new RegExp(`"id"\\s*:\\s*${JSON.stringify(id).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`));
const stepOf = (field) => /^(?:definition\.)?steps(?:\.([\w-]+)|\[(\d+)\])/.exec(field ?? '');

/** The faults by step: its id, or its place where it has none; '' has those outside the steps. */
function faultsOf(error, steps) {
  const found = new Map(), list = error?.errors?.length ? error.errors : [];
  for (const { field, problem } of list) {
    const m = stepOf(field), id = m ? m[1] ?? steps[Number(m[2])]?.id ?? m[2] : '';
    found.set(id, [...(found.get(id) ?? []), { field: m ? field.slice(m[0].length).replace(/^\./, '') : field, problem }]);
  }
  return found;
}

export function Editor({ p, onSaved, onRemoved }) {
  const own = p?.origin === 'stored', [text, setText] = useState(() => JSON.stringify(own ? p.definition : p ? { ...p.definition, name: `my-${p.name}` } : template, null, 2));
  const [error, setError] = useState(null), [busy, setBusy] = useState(false), [sure, setSure] = useState(false), box = useRef();
  const { value, problem } = useMemo(() => parse(text), [text]), steps = Array.isArray(value?.steps) ? value.steps : [], faults = faultsOf(error, steps);
  const storing = (json) => (own ? describe('PUT', `/v1/pipelines/${p.name}`, { json }) : describe('POST', '/v1/pipelines', { json })), request = storing(value ?? {});
  const attempt = async (f) => {
    setBusy(true);
    setError(null);
    try {
      await f();
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  const save = () => !busy && attempt(async () => {
    const now = parse(box.current.value); // the state may be one letter behind
    if (!now.value) return;
    const stored = await (await send(storing(now.value))).json();
    toast(t.saved(stored.name));
    onSaved(stored);
    go(`pipelines/${stored.name}`);
  });
  const remove = () => attempt(async () => {
    await send(describe('DELETE', `/v1/pipelines/${p.name}`));
    toast(t.removed(p.name));
    onRemoved(p.name);
    go('pipelines');
  });
  useRun(save);
  const show = (id) => {
    const at = placeOf(text, id);
    box.current.focus();
    if (at < 0) return;
    box.current.setSelectionRange(at, at);
    box.current.scrollTop = (text.slice(0, at).split('\n').length - 2) * parseFloat(getComputedStyle(box.current).lineHeight);
  };
  return html`<div class="split"><section class="stack" aria-label=${t.title(own ? p.name : '')}>
      ${error && faults.size === 0 && html`<${ErrorBox} error=${error} />`}
      <label class="field"><span>${t.definition}</span><textarea name="definition" ref=${box} rows="22" class="mono small" spellcheck="false" aria-invalid=${Boolean(problem || error)} value=${text}
        onInput=${(e) => setText(e.target.value)}></textarea><span class=${`hint ${problem ? 'bad' : ''}`} role="status">${problem ?? t.hint}</span></label></section>
    <aside class="side first stack" aria-label=${t.steps}><button class="btn primary wide" onClick=${save} disabled=${!value || busy} data-test="store-pipeline">${t.save} <${RunKey} /></button>
      <div class="panel stack"><div class="row"><h2 class="grow clip">${t.title(own ? p.name : '')}</h2><a class="btn small quiet icon-only" href=${`#/pipelines/${p?.name ?? ''}`} aria-label=${say.close}><${Icon} name="close" /></a></div>
        ${own && html`<p class="small muted">${t.version(p.version + 1)}</p>`}
        <${Steps} steps=${steps} faults=${faults} text=${text} checked=${Boolean(error)} show=${show} />
        ${own && (sure ? html`<div class="row wrap"><button class="btn small danger" onClick=${remove}>${t.remove(p.name)}</button><button class="btn small quiet" onClick=${() => setSure(false)}>${say.no}</button></div>`
    : html`<button class="btn small quiet" onClick=${() => setSure(true)} data-test="remove-pipeline">${t.remove(p.name)}</button>`)}</div>
      <${Curl} request=${sure ? describe('DELETE', `/v1/pipelines/${p.name}`) : request} /></aside></div>`;
}

function Steps({ steps, faults, text, checked, show }) {
  const known = new Set(steps.map((x, i) => x?.id ?? String(i))), outside = [...faults].filter(([id]) => !known.has(id)).flatMap(([id, list]) => list.map((f) => ({ ...f, field: [id, f.field].filter(Boolean).join('.') })));
  const lines = (list) => list.map((f) => html`<div class="tiny bad">${f.field && html`<b class="mono">${f.field}</b> `}${f.problem}</div>`);
  const row = (x, i) => {
    const id = x?.id ?? String(i), list = faults.get(id) ?? [], at = placeOf(text, id);
    return html`<li data-test="step-of-text"><div class="row"><button class="btn small quiet" aria-label=${t.goTo(id)} onClick=${() => show(id)}><b>${id}</b></button><span class="grow small muted clip">${x?.task ?? ''}</span>
      ${list.length ? html`<${Pill} tone="bad" icon="alert">${t.faults(list.length)}<//>` : checked && html`<${Pill} tone="ok" icon="check">${t.good}<//>`}</div>
      ${at >= 0 && list.length > 0 && html`<div class="tiny faint">${t.line(text.slice(0, at).split('\n').length)}</div>`}${lines(list)}</li>`;
  };
  return html`<div role=${faults.size ? 'alert' : undefined}><h3>${t.steps}</h3>${steps.length ? html`<ol class="stack tight">${steps.map(row)}</ol>` : html`<p class="small muted">${t.noSteps}</p>`}
    ${outside.length > 0 && html`<h3>${t.other}</h3>${lines(outside)}`}</div>`;
}
