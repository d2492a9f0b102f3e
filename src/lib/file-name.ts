/**
 * Names of files that somebody else chose. Guarantee: a name that passes is one entry of one folder on every usual system: no
 * separators, no `.` or `..`, no hidden file, no device name, nothing that a file system would cut or fold away.
 */

/** CON, COM1.txt and the like are devices on Windows, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)(\.|$)/i;

/** At most 200 bytes of UTF-8, so that a temporary name beside it still fits into the 255 of most file systems. */
const MAX_BYTES = 200;

export function isFileName(name: string): boolean {
  return (
    name !== '' &&
    name === name.normalize('NFC') &&
    Buffer.byteLength(name) <= MAX_BYTES &&
    !/[\u0000-\u001f\u007f/\\:*?"<>|]/.test(name) &&
    !name.startsWith('.') &&
    !name.startsWith('-') &&
    !/^ | $|\.$/.test(name) &&
    !DEVICE.test(name)
  );
}

/** Two names of one folder that some system takes for the same have one folded form. */
export function foldedName(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
