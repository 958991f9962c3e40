// Pipelines: several tasks as one, drawn, run with an input and the deck's recording, and followed step by step.
import { html, useState, useEffect, useMemo, span, timeOf, toast, go } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Segments, Progress, Pill, State, RunKey, Empty, useRun, brief } from '../ui.js';
import { describe, send, getJSON } from '../api.js';
import { deck, current, payload, loadId, loadSample } from '../deck.js';
import { Parameters, isShown } from '../forms.js';
import { usePages } from '../pages.js';
import { Editor } from './pipeline-editor.js';
import { jobs, submitRequest, isFinished, titleOf, JobCard } from '../jobs.js';
import { t } from '../texts/pipelines.js';
import { say } from '../texts.js';

const mostRuns = 8, mostItems = 12;
const pathOf = (name) => `/v1/pipelines/${name}`, stepsOf = (id) => `/v1/jobs/${id}/steps`;

/** The name that no pipeline can have stands for a new one. */
const fresh = '+';

export default function Pipelines({ rest }) {
  const [name, run] = rest.split('/'), all = usePages('/v1/pipelines', 'name'), p = all.list?.find((x) => x.name === name) ?? all.list?.find((x) => x.ready) ?? all.list?.[0];
  if (all.list && (name === fresh || (p && run === 'edit'))) {
    return html`<${Editor} key=${rest} p=${name === fresh ? null : p} onSaved=${all.put} onRemoved=${all.drop} />`;
  }
  if (!p) {
    if (all.error) return html`<${ErrorBox} error=${all.error} onRetry=${() => all.more()} />`;
    return all.list ? html`<${Empty} ...${t.empty}><a class="btn primary" href=${`#/pipelines/${fresh}`}>${t.create}</a><//>` : html`<${Progress} label=${t.loading} />`;
  }
  return html`<${One} key=${p.name} p=${p} run=${run} list=${html`<${List} all=${all} selected=${p.name} />`} />`;
}

function List({ all, selected }) {
  const row = (p) => html`<tr key=${p.name} class="pick" aria-selected=${p.name === selected} onClick=${() => go(`pipelines/${p.name}`)}>
    <td class="wrap"><a class="title" href=${`#/pipelines/${p.name}`} onClick=${(e) => e.stopPropagation()}>${p.name}</a><span class="tiny faint">${p.description}</span>
      ${p.lacks.map((x) => html`<div class="tiny bad">${x.step ? `${x.step}: ` : ''}${x.problem}</div>`)}</td>
    <td class="hide-s muted">${t.audio[p.audio]}</td><td class="num hide-s">${p.definition.steps.length}</td><td class="hide-s muted">${t.origin[p.origin] ?? p.origin}</td>
    <td>${p.ready ? html`<${Pill} tone="ok" icon="check">${t.ready}<//>` : html`<${Pill} tone="warn" icon="warn">${t.lacks}<//>`}</td></tr>`;
  return html`<section class="stack" aria-label=${t.list}><div class="row"><h2 class="grow">${t.list}</h2><a class="btn small" href=${`#/pipelines/${fresh}`}><${Icon} name="plus" />${t.create}</a></div><${ErrorBox} error=${all.error} onRetry=${() => all.more()} />
    <div class="panel flush table-wrap"><table><thead><tr><th>${t.pipeline}</th><th class="hide-s">${t.takes}</th><th class="num hide-s">${t.steps}</th><th class="hide-s">${t.from}</th>
      <th>${t.state}</th></tr></thead><tbody>${all.list.map(row)}</tbody></table></div>
    ${all.next && html`<button class="btn" onClick=${() => all.more(all.next)}>${say.more}</button>`}</section>`;
}

/** The input as a form of the pipeline's schema, or as JSON. */
function useInput(p) {
  const properties = p.definition.input?.properties ?? {}, simple = Object.values(properties).every(isShown);
  const [mode, setMode] = useState(simple ? 'form' : 'json'), [values, setValues] = useState({}), [text, setText] = useState('{}');
  const input = useMemo(() => {
    if (mode === 'form') return values;
    try {
      const value = JSON.parse(text);
      return value && typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }, [mode, values, text]);
  const change = (next) => {
    if (next === 'json') setText(JSON.stringify(values, null, 2));
    else if (input) setValues(input);
    setMode(next);
  };
  const fields = Object.keys(properties).length ? html`<${Parameters} task=${{ params_schema: p.definition.input }} values=${values} onChange=${setValues} first=${Object.keys(properties)} />`
    : html`<p class="small muted">${t.noInput}</p>`;
  return {
    input,
    view: html`<${Segments} label=${t.inputAs} value=${mode} onChange=${change} items=${t.modes} />
      ${mode === 'form' ? fields : html`<label class="field"><span>${t.input}</span><textarea name="input" rows="8" class="mono small" spellcheck="false" aria-invalid=${!input} value=${text}
        onInput=${(e) => setText(e.target.value)}></textarea>${!input && html`<span class="hint bad">${t.noJSON}</span>`}</label>`}`,
  };
}

function One({ p, run, list }) {
  const d = deck.use(), r = current(d), { input, view } = useInput(p), [withAudio, setWithAudio] = useState(true), [busy, setBusy] = useState(false), [error, setError] = useState(null);
  const takes = p.audio !== 'none' && r && (withAudio || p.audio === 'required'), ready = p.ready && input && (takes || p.audio !== 'required') && !busy;
  const request = useMemo(() => {
    const body = { input: input ?? {}, labels: { name: (takes ? `${p.name}: ${r.name}` : p.name).slice(0, 120), pipeline: p.name } }, path = `${pathOf(p.name)}/runs`;
    if (takes && r.audioId) return describe('POST', path, { json: { ...body, audio_id: r.audioId } });
    return takes ? describe('POST', path, { form: [['request', JSON.stringify(body)], ['audio', payload(r).file]] }) : describe('POST', path, { json: body });
  }, [p, input, takes, d.id, d.selection]);
  const start = async () => {
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      go(`pipelines/${p.name}/${(await submitRequest(request)).id}`);
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(start);
  return html`<div class="split"><section class="stack loose" aria-label=${t.pipeline}><${ErrorBox} error=${error} onRetry=${start} />
      ${p.audio === 'required' && !r && html`<${Empty} title=${p.name} text=${t.needsAudio}><button class="btn primary" onClick=${() => loadSample('speech')}>${say.deck.sample}</button><//>`}
      ${run ? html`<${Run} key=${run} id=${run} name=${p.name} />` : html`<${Drawing} path=${`${pathOf(p.name)}?format=svg`} alt=${t.drawing(p.name)} />`}
      <${Runs} name=${p.name} selected=${run} />${list}</section>
    <aside class="side first stack" aria-label=${say.form.options}>
      <button class="btn primary wide" onClick=${start} disabled=${!ready} data-test="run-pipeline">${takes && d.selection && !r.audioId ? t.runSpan : t.run} <${RunKey} /></button>
      <div class="panel stack"><div class="row"><h2 class="grow clip">${p.name}</h2><a class="btn small" href=${`#/pipelines/${p.name}/edit`}>${p.origin === 'stored' ? t.change : t.copyOf}</a></div>${view}
        ${p.audio === 'optional' && r && html`<label class="check"><input type="checkbox" checked=${withAudio} onChange=${(e) => setWithAudio(e.target.checked)} />${t.withAudio}</label>`}</div>
      <${Curl} request=${request} /><${Curl} request=${describe('GET', `${pathOf(p.name)}?format=svg`)} /></aside></div>`;
}

/** A drawing of the server, requested again when the stamp changes. */
function Drawing({ path, stamp, alt }) {
  const [url, setUrl] = useState(''), [error, setError] = useState(null);
  useEffect(() => {
    let made = '', here = true;
    send(describe('GET', path)).then((answer) => answer.blob()).then((blob) => {
      if (!here) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
      setError(null);
    }).catch((e) => here && setError(e));
    return () => {
      here = false;
      if (made) setTimeout(() => URL.revokeObjectURL(made), 10_000); // it may still be shown
    };
  }, [path, stamp]);
  if (error) return html`<${ErrorBox} error=${error} />`;
  return html`<div class="panel drawing" tabindex="0" role="region" aria-label=${alt}>${url && html`<img src=${url} alt=${alt} data-test="drawing" />`}</div>`;
}

function Runs({ name, selected }) {
  const list = jobs.use((s) => s.list).filter((j) => (j.labels?.pipeline ?? (j.task === 'run' && j.title)) === name).slice(0, mostRuns);
  if (!list.length) return null;
  return html`<section class="panel" aria-label=${t.runs}><header><h2>${t.runs}</h2></header><ul class="trail">${list.map((j) => html`<li key=${j.id}><time datetime=${j.created}>${timeOf(j.created)}</time>
    <span class="row wrap"><a class="grow clip" href=${`#/pipelines/${name}/${j.id}`} aria-current=${j.id === selected ? 'true' : undefined}>${titleOf(j)}</a><${State} of=${j.status} /></span></li>`)}</ul></section>`;
}

/** A run: its job comes with the events of all jobs, the results of its steps are requested as they end. */
function Run({ id, name }) {
  const found = jobs.use((s) => s.list).find((j) => j.id === id), [own, setOwn] = useState(null), j = found ?? own, [ends, setEnds] = useState(null), [result, setResult] = useState(null), [error, setError] = useState(null);
  const stamp = j && [j.status, ...(j.steps ?? []).map((x) => `${x.status}${x.done ?? ''}`)].join(' ');
  useEffect(() => { if (!found) getJSON(`/v1/jobs/${id}`).then(setOwn, setError); }, [id]);
  useEffect(() => {
    if (!j) return undefined;
    let here = true;
    const show = (set) => (value) => here && set(value);
    getJSON(stepsOf(id)).then(show(setEnds), show(setError));
    if (j.status === 'succeeded') getJSON(`/v1/jobs/${id}/result?format=json`).then(show(setResult), show(setError));
    return () => { here = false; };
  }, [stamp]);
  if (!j) return html`<${ErrorBox} error=${error} />`;
  const again = async (step) => {
    setResult(null);
    setError(null);
    try {
      await send(describe('POST', `/v1/jobs/${id}/retry?from_step=${step}`));
    } catch (e) {
      setError(e);
    }
  };
  const steps = j.steps ?? ends?.steps ?? [];
  return html`<section class="stack" aria-label=${t.runOf(name)}><div class="row"><h2 class="grow clip">${t.runOf(name)}</h2><a class="btn small quiet icon-only" href=${`#/pipelines/${name}`} aria-label=${say.close}><${Icon} name="close" /></a></div>
    <ul><${JobCard} j=${j} /></ul><${ErrorBox} error=${error} />
    <${Drawing} path=${`${stepsOf(id)}?format=svg`} stamp=${stamp} alt=${t.drawingOfRun(name)} />
    <div class="panel flush table-wrap"><table aria-label=${t.steps}><thead><tr><th>${t.step}</th><th>${t.state}</th><th class="fifth hide-s">${say.jobs.progress}</th><th class="num hide-s">${t.took}</th><th>${t.result}</th>
      <th class="hide-s"><span class="sr">${say.actions}</span></th></tr></thead><tbody>${steps.map((x) => html`<${Step} key=${x.id} x=${x} ends=${(ends?.data ?? []).filter((e) => e.step === x.id)}
        again=${isFinished(j) && j.status !== 'succeeded' && again} />`)}</tbody></table></div>
    ${result && html`<h3>${t.result}</h3><pre class="panel table-wrap" tabindex="0" role="region" aria-label=${t.result} data-test="result">${brief(result)}</pre>`}
    <${Curl} request=${describe('GET', stepsOf(id))} />${j.status === 'failed' && html`<${Curl} request=${describe('POST', `/v1/jobs/${id}/retry`)} />`}</section>`;
}

/** How long a step took: by its records, since a retried run only reads the steps that it keeps. */
function seconds(x, ends) {
  if (!x.started || !x.ended) return NaN;
  const all = ends.length ? ends : [x];
  return (Math.max(...all.map((e) => Date.parse(e.ended))) - Math.min(...all.map((e) => Date.parse(e.started)))) / 1000;
}
function Step({ x, ends, again }) {
  const sounds = ends.flatMap((e) => e.sounds), shown = ends.slice(0, mostItems);
  const toDeck = async (id) => {
    try {
      await loadId(id, `${x.id}.wav`);
    } catch (e) {
      toast(e.message);
    }
  };
  const goOn = again && x.status !== 'waiting' && html`<button class="btn small quiet" aria-label=${t.againFrom(x.id)} onClick=${() => again(x.id)}>${t.again}</button>`;
  return html`<tr data-test="step"><td><b>${x.id}</b>${x.error && html`<div class="tiny bad">${x.error}</div>`}${goOn && html`<div class="show-s">${goOn}</div>`}</td><td><${State} of=${x.status} />${x.total > 0 && html` <span class="tiny faint">${t.items(x.done ?? 0, x.total)}</span>`}</td>
    <td class="hide-s"><${Progress} value=${['skipped', 'waiting'].includes(x.status) ? 0 : x.progress} tone=${{ succeeded: 'ok', failed: 'bad' }[x.status] ?? ''} label=${t.progressOf(x.id)} /></td>
    <td class="num hide-s nowrap">${span(seconds(x, ends))}</td>
    <td>${shown.length > 0 && html`<details><summary>${t.result}</summary>${shown.map((e) => html`<pre class="tiny table-wrap" tabindex="0" role="region" aria-label=${t.resultOf(e.index === undefined ? x.id : `${x.id} ${e.index + 1}`)}>${e.error ?? brief(e.result)}</pre>`)}
      ${ends.length > shown.length && html`<p class="tiny faint">${t.moreItems(ends.length - shown.length)}</p>`}</details>`}
      <div class="row wrap">${sounds.slice(0, mostItems).map((id, i) => html`<button class="btn small quiet" aria-label=${t.soundOf(x.id, i + 1)} onClick=${() => toDeck(id)}>${say.deck.put}${sounds.length > 1 ? ` ${i + 1}` : ''}</button>`)}</div></td>
    <td class="num hide-s">${goOn}</td></tr>`;
}
