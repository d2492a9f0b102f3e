import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assertDer,
  bitString,
  DerReader,
  integer,
  octetString,
  oid,
  oidText,
  readAll,
  sequence,
  setOf,
  TAG,
  tlv,
} from '../../src/crypto/pki/der.ts';
import { encodeTime, parseUtcTime, readTime, utcTimeText } from '../../src/crypto/pki/time.ts';
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';

test('lengths of one to four bytes', () => {
  for (const length of [0, 127, 128, 255, 256, 65535, 65536]) {
    const bytes = octetString(new Uint8Array(length));
    assertDer(bytes, 'x');
    assert.equal(new DerReader(bytes).content(TAG.octetString, 'x').length, length);
  }
});

test('integers', () => {
  for (const [value, hex] of [
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [256, '02020100'],
    [1 << 14, '02024000'],
    [2n ** 64n, '0209010000000000000000'],
  ] as const) {
    assert.equal(toHex(integer(value)), hex);
  }
  assert.equal(new DerReader(integer(65535)).smallInteger('x'), 65535);
});

test('object identifiers', () => {
  for (const [dotted, hex] of [
    ['2.5.4.3', '0603550403'],
    ['1.2.840.113549.1.7.2', '06092a864886f70d010702'],
    ['2.16.840.1.101.3.4.2.1', '0609608648016503040201'],
    ['2.999.3', '0603883703'],
    ['0.0', '060100'],
    ['1.39', '06014f'],
    ['2.40', '060178'],
  ] as const) {
    assert.equal(toHex(oid(dotted)), hex);
    assert.equal(oidText(oid(dotted).subarray(2)), dotted);
  }
});

test('a SET OF is sorted', () => {
  assert.equal(toHex(setOf(integer(300), integer(2), integer(1))), '310a0201010201020202012c');
});

const refused: Record<string, string> = {
  nothing: '',
  'a header without length': '30',
  'a length that is not minimal': '308100',
  'a length with a leading zero': '3082000100',
  'an indefinite length': '30800000',
  'a length of four bytes': '308400000001',
  'a value that is cut off': '300205',
  'bytes after the value': '300000',
  'a tag of several bytes': '1f810100',
  'an integer that is padded with zeros': '02020001',
  'an integer that is padded with ones': '0202ff80',
  'an empty integer': '0200',
  'a boolean of 1': '010101',
  'a boolean of two bytes': '0102ffff',
  'a null with content': '050100',
  'an empty object identifier': '0600',
  'an object identifier with a padded arc': '06022a80',
  'an object identifier that begins with a pad': '0603800101',
  'an object identifier that is cut off': '06022a86',
  'an object identifier with a huge arc': '06092affffffffffffff7f',
  'a bit string without its first byte': '0300',
  'a bit string with nine unused bits': '03020900',
  'an empty bit string with unused bits': '030101',
  'unused bits that are set': '03020101',
  'a constructed octet string': '2403040100',
  'a primitive sequence': '1000',
  'a primitive set': '1100',
  'a set that is not sorted': '3106020102020101',
  'invalid UTF-8': '0c01ff',
  'a defect inside': '3004a0020200',
};

for (const [why, hex] of Object.entries(refused)) {
  test(`refuses ${why}`, () => {
    assert.throws(() => assertDer(fromHex(hex), 'x'), { name: 'PeerFault', code: 'malformed' });
  });
}

test('deep nesting is refused, not followed', () => {
  let value = sequence();
  for (let depth = 0; depth < 2000; depth++) value = sequence(value);
  assert.throws(() => assertDer(value, 'x'), { code: 'malformed' });
});

test('a reader refuses another tag, too much and too little', () => {
  assert.throws(() => new DerReader(integer(1)).content(TAG.octetString, 'x'), { code: 'malformed' });
  assert.throws(() => readAll(sequence(integer(1), integer(2)), TAG.sequence, 'x', (r) => r.smallInteger('x')), {
    code: 'malformed',
  });
  assert.throws(() => readAll(sequence(), TAG.sequence, 'x', (r) => r.smallInteger('x')), { code: 'malformed' });
  assert.throws(() => new DerReader(fromHex('0201ff')).smallInteger('x'), { code: 'malformed' });
  assert.throws(() => new DerReader(fromHex('0207007fffffffffff')).smallInteger('x'), { code: 'malformed' });
  assert.throws(() => new DerReader(fromHex('010100')).defaultFalse('x'), { code: 'malformed' });
  assert.throws(() => new DerReader(bitString(utf8('x'), 1)).octetsOfBits('x'), { code: 'malformed' });
});

test('a value does not reach beyond the one around it', () => {
  const outer = new DerReader(fromHex('3003020502050505'));
  assert.throws(() => outer.enter(TAG.sequence, 'x').smallInteger('x'), { code: 'malformed' });
});

test('times there and back', () => {
  for (const iso of [
    '1970-01-01T00:00:00Z',
    '2000-02-29T23:59:59Z',
    '2049-12-31T23:59:59Z',
    '2050-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ]) {
    const seconds = Date.parse(iso) / 1000;
    assert.equal(readTime(new DerReader(encodeTime(seconds)), 'x'), seconds);
  }
  assert.equal(Buffer.from(utcTimeText(0)).toString(), '700101000000Z');
  assert.equal(parseUtcTime(utf8('500101000000Z'), 'x'), Date.UTC(1950, 0, 1) / 1000);
});

for (const text of [
  '',
  '2611201200Z',
  '261120120000',
  '261120120000z',
  '261120120000+0000',
  '261120120000.5Z',
  '261320120000Z',
  '260229120000Z',
  '261120240000Z',
  '261120126000Z',
  '261120120060Z',
  '26112012000٠Z',
  ' 61120120000Z',
]) {
  test(`${JSON.stringify(text)} is no time`, () => {
    assert.throws(() => parseUtcTime(utf8(text), 'x'), { code: 'malformed' });
  });
}

test('GeneralizedTime is for 2050 and later', () => {
  const at = (text: string) => readTime(new DerReader(tlv(TAG.generalizedTime, utf8(text))), 'x');
  assert.throws(() => at('20491231235959Z'), { code: 'malformed' });
  assert.equal(at('20500101000000Z'), Date.UTC(2050, 0, 1) / 1000);
  assert.throws(() => encodeTime(Date.UTC(2050, 0, 1) * 1000), { code: 'malformed' });
});

test('arbitrary bytes are refused or are their own only encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      try {
        assertDer(bytes, 'x');
      } catch (error) {
        assert.ok(error instanceof PeerFault);
        return;
      }
      const reader = new DerReader(bytes);
      const content = reader.content(reader.tag, 'x');
      assert.deepEqual(tlv(bytes[0] ?? 0, content), bytes);
    }),
    { numRuns: 2000 },
  );
});
