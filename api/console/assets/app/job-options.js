// What every job can have: a priority, a deadline, a webhook and labels.
import { html } from './lib.js';
import { Field, Select } from './ui.js';
import { t } from './texts/job-options.js';
import { say } from './texts.js';

/** Labels in a text such as "album:7, kind:talk". */
export const labelsOf = (text = '') => Object.fromEntries(text.split(',').map((x) => x.trim()).filter((x) => x.includes(':')).map((x) => [x.slice(0, x.indexOf(':')).trim(), x.slice(x.indexOf(':') + 1).trim()]));

/** The options as fields of a request. */
export function optionFields({ priority, minutes, callback, labels }) {
  const found = labelsOf(labels);
  return {
    ...(priority && priority !== 'normal' && { priority }), ...(minutes > 0 && { deadline: new Date(Date.now() + minutes * 60_000).toISOString().slice(0, 19).concat('Z') }),
    ...(callback?.trim() && { callback_url: callback.trim() }), ...(Object.keys(found).length && { labels: found }),
  };
}

/** The fields; a batch has no deadline. */
export function JobOptions({ value, onChange, deadline = true }) {
  const set = (name) => (v) => onChange({ ...value, [name]: v }), text = (name) => (e) => set(name)(e.target.value);
  return html`<details><summary>${t.title}</summary><div class="stack more"><${Field} label=${t.priority}><${Select} name="priority" value=${value.priority ?? 'normal'} onChange=${set('priority')} items=${say.priorities} /><//>
    ${deadline && html`<${Field} label=${t.deadline} hint=${t.deadlineHint}><input type="number" name="deadline" min="1" max="100000" placeholder=${t.none} value=${value.minutes ?? ''} onInput=${(e) => set('minutes')(Number(e.target.value) || undefined)} /><//>`}
    <${Field} label=${t.callback} hint=${t.callbackHint}><input type="text" name="callback" maxlength="2048" placeholder="https://" value=${value.callback ?? ''} onInput=${text('callback')} /><//>
    <${Field} label=${t.labels} hint=${t.labelsHint}><input type="text" name="labels" maxlength="1000" value=${value.labels ?? ''} onInput=${text('labels')} /><//></div></details>`;
}
