/** Tests of whole daemons: what waits for something that never comes must fail, and not for ever. */
import { test as nodeTest, type TestContext } from 'node:test';

export const IN_TIME = { timeout: 60_000 };

export function test(name: string, run: (t: TestContext) => Promise<void>): void {
  nodeTest(name, IN_TIME, run);
}
