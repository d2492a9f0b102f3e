/** The product's version: the one in package.json (test/unit/manual.test.ts compares). */
export const VERSION = '0.1.0';
