// A new batch: files, a folder or JSON lines, and one task for all.
import { html, useState, useMemo, bytes, go } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Select, Progress, RunKey, useRun } from '../ui.js';
import { describe, send } from '../api.js';
import { pickFiles, isSound } from '../deck.js';
import { batches, watch } from '../batches.js';
import { tasks, taskOf } from '../tasks.js';
import { Parameters, labelOf } from '../forms.js';
import { JobOptions, optionFields } from '../job-options.js';
import { form as t } from '../texts/batches.js';
import { say } from '../texts.js';

const mostShown = 200, hidden = ['stream', 'start', 'end', 'timestamp_granularities'], first = { transcribe: ['response_format', 'language'] };

export function BatchForm() {
  const files = batches.use((s) => s.files), setFiles = (list) => batches.set({ files: list }), [lines, setLines] = useState(null), [name, setName] = useState('transcribe'), [params, setParams] = useState({}), [title, setTitle] = useState('');
  const [options, setOptions] = useState({}), [busy, setBusy] = useState(false), [error, setError] = useState(null), list = tasks.use((s) => s.list), task = taskOf(name, list);
  const known = list.filter((x, i) => (x.audio || x.task === 'generate') && x.task !== 'run' && x.task !== 'import_patterns' && list.findIndex((y) => y.task === x.task) === i);
  const request = useMemo(() => describe('POST', '/v1/batches', { form: [
    ['request', JSON.stringify({ task: name, ...(Object.keys(params).length && { params }), title: title.trim() || new Date().toISOString().slice(0, 19).replace('T', ' '), ...optionFields(options) })],
    ...files.map((f) => ['audio', f]), ...(lines ? [['items', lines]] : [])] }), [name, params, title, options, files, lines]);
  const ready = !busy && (files.length > 0 || lines);
  const run = async () => {
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      const headers = { 'Idempotency-Key': `console-${crypto.getRandomValues(new Uint32Array(4)).join('-')}` };
      const made = await (await send({ ...request, headers })).json();
      setFiles([]);
      watch();
      go(`jobs/${made.id}`);
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  const add = (more) => setFiles([...files, ...more]);
  const shownCurl = files.length > 8 ? { ...request, form: request.form.slice(0, 8) } : request;
  return html`<div class="split"><section class="stack" aria-label=${t.title}><${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.sending} />`}
      <div class="panel stack"><div class="row wrap"><button class="btn" onClick=${() => pickFiles(add)}><${Icon} name="file" />${t.files}</button>
        <button class="btn" onClick=${() => pickFiles((all) => add(all.filter(isSound)), null, { webkitdirectory: true })}>${t.folder}</button>
        <button class="btn" onClick=${() => pickFiles(([f]) => f && setLines(f), '.jsonl,.ndjson')}>${t.lines}</button></div>
        ${!files.length && !lines && html`<p class="muted">${t.nothing}</p>`}
        ${lines && html`<div class="row small"><span class="grow clip">${t.linesOf(lines.name)}</span><button class="btn small quiet icon-only" aria-label=${t.leaveOut(lines.name)} onClick=${() => setLines(null)}><${Icon} name="close" /></button></div>`}
        ${files.length > 0 && html`<p class="small muted" data-test="chosen">${t.chosen(files.length, bytes(files.reduce((n, f) => n + f.size, 0)))}</p><ul class="stack tight finds">${files.slice(0, mostShown).map((f, i) => html`<li class="row small">
          <span class="grow clip">${f.webkitRelativePath || f.name}</span><span class="faint num">${bytes(f.size)}</span><button class="btn small quiet icon-only" aria-label=${t.leaveOut(f.name)} onClick=${() => setFiles(files.filter((x, j) => j !== i))}>
          <${Icon} name="close" /></button></li>`)}</ul>${files.length > mostShown && html`<p class="small muted">${t.others(files.length - mostShown)}</p>`}`}</div></section>
    <aside class="side first stack" aria-label=${say.form.options}><button class="btn primary wide" onClick=${run} disabled=${!ready} data-test="submit-batch">${t.run(files.length)} <${RunKey} /></button>
      <div class="panel stack"><div class="row"><h2 class="grow">${t.title}</h2><a class="btn small quiet icon-only" href="#/jobs" aria-label=${say.close}><${Icon} name="close" /></a></div>
        <${Field} label=${say.jobs.task}><${Select} name="task" value=${name} onChange=${(v) => { setName(v); setParams({}); }} items=${known.map((x) => [x.task, say.tasks[x.task] ?? labelOf(x.task)])} /><//>
        <${Field} label=${t.name}><input type="text" name="title" maxlength="200" autocomplete="off" placeholder=${t.nameExample} value=${title} onInput=${(e) => setTitle(e.target.value)} /><//>
        <${Parameters} key=${name} task=${task} values=${params} onChange=${setParams} first=${first[name] ?? []} hide=${hidden} /><${JobOptions} value=${options} onChange=${setOptions} deadline=${false} /></div>
      <${Curl} request=${shownCurl} /></aside></div>`;
}
