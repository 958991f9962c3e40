// The operations of an edit, each with the form of its schema.
import { html } from '../lib.js';
import { Icon, Field, Select } from '../ui.js';
import { Parameters } from '../forms.js';
import { usePages } from '../pages.js';
import { t } from '../texts/edit.js';

/** The schemas of the operations by their names. */
function schemasOf(task) {
  const rules = task?.params_schema.properties.operations.items.allOf ?? [];
  return new Map(rules.map(({ if: when, then }) => [when.properties.op.const, then]));
}
let last = 0;
/** A new operation. What is required has its default, the middle of its range, or the selected span. */
function made(op, schema, { duration, selection }) {
  const one = { op, key: `o${++last}` }, usual = { frequency: 1000, low: 300, high: 3400, gain_db: 6, factor: 0.8, semitones: -2, sample_rate: 16000, channels: 1, mode: 'loudness' };
  if (op === 'trim' && selection) return { ...one, start: Number(selection.t0.toFixed(3)), end: Number(selection.t1.toFixed(3)) };
  if (op === 'trim') return { ...one, start: 0, end: Number((duration / 2).toFixed(2)) };
  if (op === 'fade') return { ...one, in: 0.1, out: 0.1 };
  if (op === 'pad') return { ...one, after: 1 };
  for (const name of schema.required ?? []) one[name] = schema.properties[name].default ?? usual[name] ?? (name === 'recordings' ? [] : undefined);
  return one;
}

export function Chain({ task, chain, onChange, error, duration, selection }) {
  const schemas = schemasOf(task), put = (i, next) => onChange(chain.map((x, j) => (j === i ? next : x)));
  const move = (i, by) => {
    const next = [...chain];
    [next[i], next[i + by]] = [next[i + by], next[i]];
    onChange(next);
  };
  const faults = (i) => (error?.errors ?? []).filter((e) => (e.field ?? '').startsWith(`operations[${i}]`));
  const add = (op) => op && onChange([...chain, made(op, schemas.get(op), { duration, selection })]);
  const names = [...schemas.keys()].sort((a, b) => (t.ops[a] ?? a).localeCompare(t.ops[b] ?? b));
  return html`<section class="stack" aria-label=${t.chain}><div class="row wrap"><h2 class="grow">${t.chain}</h2>
      <div class="w-16"><${Select} aria-label=${t.add} name="operation" value="" onChange=${add} items=${[['', t.add], ...names.map((n) => [n, t.ops[n] ?? n])]} /></div></div>
    <ol class="stack tight">${chain.map((x, i) => html`<${Operation} key=${x.key} x=${x} i=${i} last=${i === chain.length - 1} schema=${schemas.get(x.op)} faults=${faults(i)}
      onChange=${(next) => put(i, next)} move=${(by) => move(i, by)} remove=${() => onChange(chain.filter((y, j) => j !== i))} />`)}</ol></section>`;
}

function Operation({ x, i, last: isLast, schema, faults, onChange, move, remove }) {
  const name = t.ops[x.op] ?? x.op, { op, key, ...values } = x, shown = { params_schema: { properties: schema?.properties ?? {} } };
  const names = Object.keys(schema?.properties ?? {}).filter((n) => n !== 'op');
  const tool = (icon, label, f, off) => html`<button class="btn small quiet icon-only" aria-label=${label} disabled=${off} onClick=${f}><${Icon} name=${icon} /></button>`;
  return html`<li class="panel stack operation" data-test="operation"><div class="row"><b class="grow">${i + 1}. ${name}</b>${tool('up', t.up(name), () => move(-1), i === 0)}${tool('chevron', t.down(name), () => move(1), isLast)}
      ${tool('close', t.remove(name), remove)}</div>
    ${faults.map((f) => html`<p class="small bad" role="alert">${f.field.replace(/^operations\[\d+\]\.?/, '')}: ${f.problem}</p>`)}
    ${names.includes('recordings') && html`<${Stored} list=${x.recordings ?? []} onChange=${(recordings) => onChange({ ...x, recordings })} />`}
    ${names.length ? html`<div class="fields"><${Parameters} task=${shown} values=${values} onChange=${(v) => onChange({ op, key, ...v })} first=${names} hide=${['op', 'recordings']} /></div>`
    : html`<p class="small muted">${t.noParameters}</p>`}</li>`;
}

/** A choice of stored recordings. */
function Stored({ list, onChange }) {
  const all = usePages('/v1/audio'), names = new Map((all.list ?? []).map((a) => [a.id, a.name || a.id.slice(0, 12)]));
  return html`<fieldset class="stack tight"><legend>${t.recordings}</legend>
    ${list.map((one, i) => html`<div class="row small"><span class="grow clip">${names.get(one.audio_id) ?? one.audio_id.slice(0, 12)}</span><button class="btn small quiet icon-only"
      aria-label=${t.leaveOut(names.get(one.audio_id) ?? '')} onClick=${() => onChange(list.filter((y, j) => j !== i))}><${Icon} name="close" /></button></div>`)}
    ${all.list?.length === 0 ? html`<p class="small muted">${t.noRecordings}</p>` : html`<${Select} aria-label=${t.addRecording} value="" items=${[['', t.addRecording], ...names]}
      onChange=${(id) => id && onChange([...list, { audio_id: id }])} />`}</fieldset>`;
}
