// Lists that the server returns in pages.
import { useState, useLayoutEffect } from './lib.js';
import { getJSON } from './api.js';

const page = 200;
/** The rows of a list, the first page at once. `key` is the field by which a row is replaced or left out. */
export function usePages(path, key = 'id') {
  const [list, setList] = useState(null), [next, setNext] = useState(''), [error, setError] = useState(null);
  /** Adds a page, or as many as have `atLeast` rows, which are shown together. */
  const more = async (cursor = '', atLeast = 1) => {
    setError(null);
    try {
      const found = [];
      let at = cursor;
      do {
        const { data, next: further = '' } = await getJSON(`${path}?limit=${page}${at && `&cursor=${encodeURIComponent(at)}`}`);
        found.push(...data);
        at = further;
      } while (at && found.length < atLeast);
      setList((old) => (cursor ? [...old, ...found] : found));
      setNext(at);
    } catch (e) {
      setError(e);
    }
  };
  useLayoutEffect(() => { more(); }, [path]); // not after the paint
  const put = (x) => setList((old) => (old?.some((y) => y[key] === x[key]) ? old.map((y) => (y[key] === x[key] ? x : y)) : [x, ...(old ?? [])]));
  return { list, next, error, more, put, drop: (id) => setList((old) => old?.filter((x) => x[key] !== id) ?? null) };
}
