/** JSON for one line of output, the same value with nothing in it that could steer a terminal. */

/** What JSON leaves as it is and a terminal may not: DEL, C1, zero-width, bidi controls, line separators. */
const UNSAFE = /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** With its line end. */
export function safeJsonLine(value: object): string {
  const text = JSON.stringify(value);
  return `${text.replace(UNSAFE, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
