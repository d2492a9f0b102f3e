import { join } from 'node:path';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { storeSuite } from './store.ts';

storeSuite('memory', async () => createMemoryStore());
storeSuite('level', async (t) => openLevelStore(await temporaryFolder(t)));
storeSuite('sealed over memory', async () => {
  const archive = await createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32).fill(1) });
  archive.unlock(new Uint8Array(32).fill(2));
  return archive;
});
storeSuite('sealed over level', async (t) => {
  const folder = await temporaryFolder(t);
  const store = await openLevelStore(join(folder, 'archive'));
  const archive = await createArchive(store, { spoolKey: new Uint8Array(32).fill(1), headPath: join(folder, 'head') });
  archive.unlock(new Uint8Array(32).fill(2));
  return archive;
});
