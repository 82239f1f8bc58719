// Lists of the API, whole: some come at once, others page by page.

import { get } from "./api.js";

const PAGE = 1000;

/** All items of a list. A page size is only asked for where there are pages: lists without them refuse what they do not know. */
export async function whole(path, query, { signal } = {}) {
  const items = [];
  let answer = await get(path, query, { signal });
  items.push(...answer.items);
  while (answer.next_cursor !== null && answer.next_cursor !== undefined) {
    answer = await get(path, { ...query, limit: PAGE, cursor: answer.next_cursor }, { signal });
    items.push(...answer.items);
  }
  return items;
}
