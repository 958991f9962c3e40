// Teaching a pattern by files, and by selections of the deck.
import { html, useState, toast } from '../lib.js';
import { Icon, Curl, ErrorBox, Field, Progress } from '../ui.js';
import { describe, send } from '../api.js';
import { payload, fileOf, pickFiles } from '../deck.js';
import { t } from '../texts/patterns.js';

/** The number of examples that a reliable threshold needs. */
export const enough = 5;

/** Files and selections of the deck that are examples. */
function Files({ label, hint, files, onChange, r, selection, name }) {
  return html`<fieldset class="stack tight" data-test=${name}><legend>${label}</legend>
    ${files.length > 0 && html`<ul class="stack tight">${files.map((f, i) => html`<li class="row small"><span class="grow clip">${f.name}</span><button type="button" class="btn small quiet icon-only"
      aria-label=${t.leaveOut(f.name)} onClick=${() => onChange(files.filter((x, j) => j !== i))}><${Icon} name="close" /></button></li>`)}</ul>`}
    <div class="row wrap"><button type="button" class="btn small" onClick=${() => pickFiles((more) => onChange([...files, ...more]))}><${Icon} name="plus" />${t.files}</button>
      ${r && html`<button type="button" class="btn small" onClick=${async () => onChange([...files, await fileOf(payload(r))])}>${selection ? t.selection : t.recording}</button>`}</div>
    ${hint && html`<span class="tiny faint">${hint}</span>`}</fieldset>`;
}

export function Teach({ r, selection, onPattern }) {
  const [name, setName] = useState(''), [examples, setExamples] = useState([]), [against, setAgainst] = useState([]), [busy, setBusy] = useState(false), [error, setError] = useState(null);
  const request = describe('POST', '/v1/patterns', { form: [['name', name.trim()], ...examples.map((f) => ['examples', f]), ...against.map((f) => ['counter_examples', f])] });
  const teach = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const p = await (await send(request)).json();
      onPattern(p);
      setName('');
      setExamples([]);
      setAgainst([]);
      toast(t.taught(p.name));
    } catch (x) {
      setError(x);
    }
    setBusy(false);
  };
  const files = { r, selection };
  return html`<form class="panel stack" aria-label=${t.teach} onSubmit=${teach}><h2>${t.teach}</h2>
    <${Field} label=${t.name}><input type="text" name="name" maxlength="128" autocomplete="off" placeholder=${t.nameExample} value=${name} onInput=${(e) => setName(e.target.value)} /><//>
    <${Files} ...${files} name="examples" label=${t.examples} hint=${examples.length < enough ? t.need(examples.length, enough) : ''} files=${examples} onChange=${setExamples} />
    <details><summary>${t.against}</summary><${Files} ...${files} name="against" label=${t.againstLabel} files=${against} onChange=${setAgainst} /></details>
    <${ErrorBox} error=${error} />${busy && html`<${Progress} label=${t.teaching} />`}
    <button class="btn" disabled=${busy || !name.trim() || !examples.length} data-test="teach">${t.teachRun}</button>
    ${examples.length > 0 && html`<${Curl} request=${request} />`}</form>`;
}
