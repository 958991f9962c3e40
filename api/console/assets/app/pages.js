// Lists that the server returns in pages.
import { useState, useEffect } from './lib.js';
import { getJSON } from './api.js';

const page = 200;
/** The rows of a list, the first page at once. `key` is the field by which a row is replaced or left out. */
export function usePages(path, key = 'id') {
  const [list, setList] = useState(null), [next, setNext] = useState(''), [error, setError] = useState(null);
  const more = async (cursor = '') => {
    setError(null);
    try {
      const found = await getJSON(`${path}?limit=${page}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      setList((old) => (cursor ? [...old, ...found.data] : found.data));
      setNext(found.next ?? '');
      return found;
    } catch (e) {
      setError(e);
      return null;
    }
  };
  useEffect(() => { more(); }, [path]);
  const put = (x) => setList((old) => (old?.some((y) => y[key] === x[key]) ? old.map((y) => (y[key] === x[key] ? x : y)) : [x, ...(old ?? [])]));
  return { list, next, error, more, put, drop: (id) => setList((old) => old?.filter((x) => x[key] !== id) ?? null) };
}
