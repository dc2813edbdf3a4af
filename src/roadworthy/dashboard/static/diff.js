// What changed between two texts, word by word: [["same" | "ins" | "del", text], ...].
// What both begin and end with is set aside first; a middle that is too large for the table is told as a whole.
const MOST_CELLS = 4_000_000;
const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

export function differences(before, after) {
  const a = words(before);
  const b = words(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const found = [];
  const add = (kind, text) => {
    if (!text) return;
    const last = found.at(-1);
    if (last?.[0] === kind) last[1] += text;
    else found.push([kind, text]);
  };
  add("same", a.slice(0, start).join(""));
  middle(a.slice(start, a.length - end), b.slice(start, b.length - end), add);
  add("same", a.slice(a.length - end).join(""));
  return found;
}

function middle(a, b, add) {
  const wide = b.length + 1;
  if ((a.length + 1) * wide > MOST_CELLS) {
    add("del", a.join(""));
    add("ins", b.join(""));
    return;
  }
  // lengths[i * wide + j]: how many words a from i on and b from j on have in common, in order
  const lengths = new Uint16Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * wide + j] = a[i] === b[j] ? lengths[(i + 1) * wide + j + 1] + 1 : Math.max(lengths[(i + 1) * wide + j], lengths[i * wide + j + 1]);
    }
  }
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      add("same", a[i]);
      i += 1;
      j += 1;
    } else if (lengths[(i + 1) * wide + j] >= lengths[i * wide + j + 1]) add("del", a[i++]);
    else add("ins", b[j++]);
  }
  add("del", a.slice(i).join(""));
  add("ins", b.slice(j).join(""));
}
