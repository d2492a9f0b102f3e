/** Distinguished names: ours are one common name in UTF-8; others are compared by their bytes and shown by one part. */
import { fromUtf8, toHex, utf8 } from '../../lib/bytes.ts';
import { FitError } from '../../lib/errors.ts';
import { oid, readAll, sequence, setOf, TAG, tlv } from './der.ts';

const COMMON_NAME = '2.5.4.3';
/** ub-common-name of RFC 5280. */
const MAX_NAME_CHARACTERS = 64;
const MAX_RDNS = 32;

/** `CN=name`; throws FitError('usage') unless it has 1 to 64 printable characters. */
export function commonName(name: string): Uint8Array {
  const length = [...name].length;
  if (length < 1 || length > MAX_NAME_CHARACTERS || !name.isWellFormed() || /[\p{C}\p{Zl}\p{Zp}]/u.test(name))
    throw new FitError('usage', 'a name has 1 to 64 printable characters');
  return sequence(setOf(sequence(oid(COMMON_NAME), tlv(TAG.utf8String, utf8(name)))));
}

function textOf(tag: number, content: Uint8Array): string {
  const buffer = Buffer.from(content);
  switch (tag) {
    case TAG.utf8String:
      return fromUtf8(content);
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.teletexString:
      return buffer.toString('latin1');
    case TAG.bmpString:
      return content.length % 2 === 0 ? buffer.swap16().toString('utf16le') : `#${toHex(content)}`;
    default:
      return `#${toHex(content)}`;
  }
}

/**
 * What a name is shown as: its last common name, else its first part, else nothing. Untrusted text: whoever made the
 * certificate chose it, controls and all. `der` has passed `assertDer`.
 */
export function nameText(der: Uint8Array): string {
  let first: string | undefined;
  let common: string | undefined;
  readAll(der, TAG.sequence, 'name', (rdns) => {
    for (let count = 0; !rdns.done && count < MAX_RDNS; count++) {
      const attributes = rdns.enter(TAG.set, 'name part');
      do {
        const attribute = attributes.enter(TAG.sequence, 'name attribute');
        const type = attribute.oid('name attribute type');
        const tag = attribute.tag;
        const text = textOf(tag, attribute.content(tag, 'name attribute value'));
        attribute.end('name attribute');
        first ??= text;
        if (type === COMMON_NAME) common = text;
      } while (!attributes.done);
    }
  });
  return common ?? first ?? '';
}
