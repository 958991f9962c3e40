// Forms made from the JSON Schema of a task's parameters: a new task or parameter needs no code here.
import { html, useState } from './lib.js';
import { Field, Select } from './ui.js';
import { params, hints } from './texts/forms.js';
import { say } from './texts.js';

const human = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');
export const labelOf = (name) => params[name] ?? human(name);

/** Sliders are for numbers with two limits, a default and few enough steps. */
function sliderOf(p) {
  const low = p.minimum ?? p.exclusiveMinimum, high = p.maximum ?? p.exclusiveMaximum;
  if (low === undefined || high === undefined || p.default === undefined || high - low > 500) return null;
  return { low, high, step: p.type === 'integer' ? 1 : high - low > 5 ? 0.1 : 0.05 };
}
export const isShown = (p) => ['string', 'integer', 'number', 'boolean'].includes(p.type) || (p.type === 'array' && ['string', 'number'].includes(p.items?.type));

/** Returns the parameters with one changed; undefined or the default removes it. */
export function withValue(values, name, value, property) {
  const next = { ...values };
  if (value === undefined || value === '' || value === (property.default ?? (property.type === 'boolean' ? false : undefined)) || (Array.isArray(value) && !value.length)) delete next[name];
  else next[name] = value;
  return next;
}

function Control({ name, property: p, value, onChange }) {
  const label = labelOf(name), hint = hints[name] ?? p.description, set = (v) => onChange(name, v, p);
  if (p.enum) {
    const first = p.default === undefined ? [['', say.form.automatic]] : [];
    const items = [...first, ...p.enum.map((v) => [v, v === p.default ? say.form.isDefault(v) : v])];
    return html`<${Field} label=${label} hint=${hint}><${Select} name=${name} value=${value ?? p.default ?? ''} onChange=${set} items=${items} /></${Field}>`;
  }
  if (p.type === 'boolean') {
    return html`<label class="check"><input type="checkbox" name=${name} checked=${value ?? p.default ?? false}
      onChange=${(e) => set(e.target.checked)} /><span>${label}${hint && html`<span class="hint block">${hint}</span>`}</span></label>`;
  }
  const slider = sliderOf(p);
  if (slider) {
    return html`<${Field} label=${label} hint=${hint} value=${value ?? p.default}><input type="range" name=${name} min=${slider.low} max=${slider.high}
      step=${slider.step} value=${value ?? p.default} onInput=${(e) => set(Number(e.target.value))} /></${Field}>`;
  }
  if (p.type === 'integer' || p.type === 'number') {
    const low = p.minimum ?? p.exclusiveMinimum, high = p.maximum ?? p.exclusiveMaximum;
    return html`<${Field} label=${label} hint=${hint}><${Typed} type="number" name=${name} min=${low} max=${high} step=${p.type === 'integer' ? 1 : 'any'}
      placeholder=${p.default ?? say.form.automatic} value=${value} usual=${p.default} parse=${(text) => (text === '' ? undefined : Number(text))} onChange=${set} /></${Field}>`;
  }
  if (p.type === 'array' && p.items.enum) {
    const chosen = value ?? [];
    return html`<fieldset><legend>${label}</legend>${p.items.enum.map((v) => html`<label class="check"><input type="checkbox" name=${name}
      checked=${chosen.includes(v)} onChange=${(e) => set(e.target.checked ? [...chosen, v] : chosen.filter((x) => x !== v))} />${v}</label>`)}</fieldset>`;
  }
  const list = (text) => text.split(',').map((x) => x.trim()).filter(Boolean).map((x) => (p.items.type === 'number' ? Number(x) : x));
  return html`<${Field} label=${label} hint=${hint}><${Typed} type="text" name=${name} maxlength=${p.maxLength} placeholder=${p.default ?? ''} value=${value} usual=${p.default}
    parse=${p.type === 'array' ? list : String} onChange=${set} /></${Field}>`;
}

/** A field whose text stays as it is typed while it means the value: "0.0" on the way to 0.05, "rain," on the way to a list. */
function Typed({ value, usual, parse, onChange, ...rest }) {
  const [text, setText] = useState(''), same = String(parse(text)) === String(value ?? usual);
  const typed = (e) => {
    setText(e.target.value);
    onChange(parse(e.target.value));
  };
  return html`<input ...${rest} value=${same ? text : Array.isArray(value) ? value.join(', ') : value ?? ''} onInput=${typed} />`;
}

/** The parameters of a task as fields: those in `first` at once, the others below "More". `hide` are set by the view itself. */
export function Parameters({ task, values, onChange, first = [], hide = [], children }) {
  const properties = task?.params_schema?.properties ?? {};
  const names = Object.keys(properties).filter((n) => !hide.includes(n) && isShown(properties[n]));
  const set = (name, value, property) => onChange(withValue(values, name, value, property));
  const control = (n) => html`<${Control} key=${n} name=${n} property=${properties[n]} value=${values[n]} onChange=${set} />`;
  const rest = names.filter((n) => !first.includes(n));
  return html`${first.filter((n) => names.includes(n)).map(control)}
    ${(rest.length > 0 || children) && html`<details><summary>${say.form.more}</summary><div class="stack more">${rest.map(control)}${children}</div></details>`}`;
}

/** A choice of the models that can run a task. */
export function ModelField({ models, value, onChange }) {
  const items = [['', say.form.defaultModel], ...models.map((m) => [m.id, m.loaded_bytes ? say.form.loaded(m.id) : m.id])];
  return html`<${Field} label=${say.form.model}><${Select} name="model" value=${value} onChange=${onChange} items=${items} /></${Field}>`;
}
