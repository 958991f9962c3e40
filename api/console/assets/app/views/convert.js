import { html, useState, useRef, useMemo, bytes, download, stem } from '../lib.js';
import { Icon, Curl, ErrorBox, Progress, RunKey, Empty, useRun } from '../ui.js';
import { deck, current, payload, load, setResult, loadSample } from '../deck.js';
import { tasks, taskOf } from '../tasks.js';
import { runTask, requestOf } from '../run.js';
import { Parameters } from '../forms.js';
import { t } from '../texts/convert.js';
import { say } from '../texts.js';


const nameOf = (about) => about.file?.name ?? about.name;
export default function Convert() {
  const d = deck.use(), r = current(d), task = tasks.use((x) => taskOf('convert', x.list));
  const [params, setParams] = useState({ container: 'flac' }), [busy, setBusy] = useState(false), [error, setError] = useState(null);
  const container = params.container ?? 'wav', about = payload(r);
  const options = { params, audio: about, output: `out.${container}` }, request = useMemo(() => about && task && requestOf(task, options), [r, task, d.selection, params]);
  const run = async () => {
    if (!request || busy) return;
    setBusy(true);
    setError(null);
    try {
      const answer = await runTask(task, options, { format: 'audio' }), blob = await answer.blob();
      setResult(r.id, 'converted', { blob, name: `${stem(nameOf(about))}.${container}` });
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  useRun(run);
  if (!r) return html`<${Empty} ...${t.empty}><button class="btn primary" onClick=${() => loadSample('sound')}>${say.deck.sample}</button><//>`;
  const out = r.results.converted;
  const take = () => load(new File([out.blob], out.name, { type: out.blob.type }));
  return html`<div class="split"><section class="stack" aria-label=${t.compare}>
    <${ErrorBox} error=${error} onRetry=${run} />${busy && html`<${Progress} label=${t.busy} />`}
    <div class="panel flush table-wrap"><table><thead><tr><th><span class="sr">${t.which}</span></th><th>${t.name}</th><th class="num hide-s">${t.size}</th>
      <th class="hide-s">${t.type}</th><th><span class="sr">${say.actions}</span></th></tr></thead><tbody>
      <tr><td>${t.before}</td><td>${nameOf(about)}</td><td class="num hide-s">${bytes(about.file?.size ?? about.bytes)}</td><td class="hide-s">${about.file?.type || '–'}</td>
        <td class="num">${about.file && html`<${Player} blob=${about.file} label=${t.before} />`}</td></tr>
      <tr><td>${t.after}</td><td>${out?.name ?? html`<span class="faint">${t.nothing}</span>`}</td><td class="num hide-s">${out ? bytes(out.blob.size) : ''}</td>
        <td class="hide-s">${out?.blob.type ?? ''}</td><td class="num">${out && html`<div class="row end"><${Player} blob=${out.blob} label=${t.after} />
          <button class="btn small quiet icon-only" aria-label=${say.save} onClick=${() => download(out.blob, out.name)}><${Icon} name="down" /></button>
          <button class="btn small" onClick=${take}>${say.deck.put}</button></div>`}</td></tr>
    </tbody></table></div>
  </section><aside class="side first stack" aria-label=${say.form.options}>
    <button class="btn primary wide" onClick=${run} disabled=${busy || !task}>${d.selection ? t.runSpan : t.run} <${RunKey} /></button>
    <div class="panel stack"><${Parameters} task=${task} values=${params} onChange=${setParams} first=${['container', 'sample_rate', 'channels', 'bit_depth']} /></div>
    ${request && html`<${Curl} request=${request} />`}</aside></div>`;
}

function Player({ blob, label }) {
  const audio = useRef(), source = useRef(), [on, setOn] = useState(false);
  const play = () => {
    if (source.current !== blob) {
      source.current = blob;
      audio.current = Object.assign(new Audio(URL.createObjectURL(blob)), { onpause: () => setOn(false), onplay: () => setOn(true) });
    }
    if (on) audio.current.pause();
    else {
      audio.current.currentTime = 0;
      audio.current.play().catch(() => {});
    }
  };
  return html`<button class="btn small quiet" onClick=${play} aria-label=${on ? t.stop(label) : t.play(label)}><${Icon} name=${on ? 'stop' : 'play'} />${on ? say.stop : say.play}</button>`;
}
